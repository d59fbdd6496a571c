// usage: sandbox_processes DIRECTORY <SANDBOX-IDS
//
// Starts, for each sandbox, processes that sleep under the names and command lines that the Go runtime gives to
// cloud-hypervisor, virtiofsd (with its child) and the shim, with as many threads as these have when they serve two
// vCPUs, a disk and a network device. DIRECTORY holds this program once more under each of the three names. Says the
// processes of each sandbox on a line of stdout, then "ready"; all end with it.

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static void* sleep_on(void* name) {
  prctl(PR_SET_NAME, name);
  for (;;) pause();
  return NULL;
}

static void start_threads(const char* const* names) {
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 * 1024);
  for (; *names != NULL; ++names) {
    pthread_t thread;
    if (pthread_create(&thread, &small, sleep_on, (void*)*names) != 0) {
      perror("sandbox_processes: pthread_create");
      exit(1);
    }
  }
}

static void die_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
}

static void play(const char* name) {
  static const char* const vmm[] = {"vmm", "vcpu0", "vcpu1", "http-server", "_disk0_q0", "_net1_qp0", NULL};
  static const char* const virtiofsd[] = {"virtiofsd", "virtiofsd", NULL};
  static const char* const shim[] = {"shim", "shim", "shim", "shim", "shim", "shim", "shim", NULL};
  if (strcmp(name, "cloud-hypervisor") == 0) {
    // A guest cannot have more memory than its VMM has mapped.
    const size_t guest_ram = (size_t)2 << 30;
    if (mmap(NULL, guest_ram, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) ==
        MAP_FAILED) {
      perror("sandbox_processes: mmap");
      exit(1);
    }
    start_threads(vmm);
  } else if (strcmp(name, "virtiofsd") == 0) {
    const pid_t parent = getpid();
    if (fork() == 0) {
      die_with_parent(parent);
      start_threads(virtiofsd);
    }
  } else {
    start_threads(shim);
  }
  for (;;) pause();
}

static pid_t start(const char* directory, const char* name, char* option, char* value) {
  char path[4096];
  snprintf(path, sizeof(path), "%s/%s", directory, name);
  char* const arguments[] = {path, option, value, NULL};
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    perror("sandbox_processes: fork");
    exit(1);
  }
  if (child == 0) {
    die_with_parent(parent);
    execv(path, arguments);
    perror(path);
    _exit(1);
  }
  return child;
}

int main(int argc, char** argv) {
  const char* const slash = strrchr(argv[0], '/');
  const char* const name = slash != NULL ? slash + 1 : argv[0];
  if (strcmp(name, "sandbox_processes") != 0) play(name);
  if (argc != 2) {
    fprintf(stderr, "usage: sandbox_processes DIRECTORY <SANDBOX-IDS\n");
    return 2;
  }
  char id[128];
  while (scanf("%127s", id) == 1) {
    char socket[256];
    char share[256];
    snprintf(socket, sizeof(socket), "/run/vc/vm/%s/clh-api.sock", id);
    snprintf(share, sizeof(share), "/run/kata-containers/shared/sandboxes/%s/shared", id);
    const pid_t vmm = start(argv[1], "cloud-hypervisor", "--api-socket", socket);
    const pid_t fs = start(argv[1], "virtiofsd", "--shared-dir", share);
    const pid_t shim = start(argv[1], "containerd-shim-kata-v2", "-id", id);
    printf("%d %d %d\n", vmm, fs, shim);
  }
  printf("ready\n");
  fflush(stdout);
  pause();
  return 0;
}
