// usage: load OBJECT PROGRAM...
//
// Loads of a BPF object the named programs and all maps, and ends: what bpftool prog loadall does, which cannot leave out
// those that another kernel needs. Names as the kernel has them, 15 letters at most.

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_named(const char* program, char** names) {
  for (; *names != NULL; ++names) {
    if (strncmp(program, *names, 15) == 0) return true;
  }
  return false;
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: load OBJECT PROGRAM...\n");
    return 2;
  }
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  struct bpf_object* object = bpf_object__open_file(argv[1], NULL);
  if (object == NULL) {
    perror(argv[1]);
    return 1;
  }
  int loaded = 0;
  struct bpf_program* program = NULL;
  bpf_object__for_each_program(program, object) {
    const bool wanted = is_named(bpf_program__name(program), argv + 2);
    bpf_program__set_autoload(program, wanted);
    loaded += wanted ? 1 : 0;
  }
  if (loaded == 0 || bpf_object__load(object) != 0) {
    perror(argv[1]);
    return 1;
  }
  printf("%d programs\n", loaded);
  return 0;
}
