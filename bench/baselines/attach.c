// usage: attach OBJECT
//
// Loads a BPF object, attaches all of its programs, says "ready" on stdout and keeps them until it is ended.

#include <bpf/libbpf.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: attach OBJECT\n");
    return 2;
  }
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  struct bpf_object* object = bpf_object__open_file(argv[1], NULL);
  if (object == NULL || bpf_object__load(object) != 0) {
    perror(argv[1]);
    return 1;
  }
  struct bpf_program* program = NULL;
  bpf_object__for_each_program(program, object) {
    if (bpf_program__attach(program) == NULL) {
      perror(bpf_program__name(program));
      return 1;
    }
  }
  printf("ready\n");
  fflush(stdout);
  pause();
  return 0;
}
