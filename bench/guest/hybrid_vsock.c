// usage: hybrid_vsock SOCKET TARGET
//
// Stands for a VMM: listens at SOCKET as its hybrid vsock does, and hands the bytes of who says CONNECT on to the guest-probe
// at the Unix socket TARGET and back. Serves one connection after the other.

#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char* what) {
  fprintf(stderr, "hybrid_vsock: ");
  perror(what);
  exit(1);
}

static int unix_socket(const char* path, struct sockaddr_un* address) {
  memset(address, 0, sizeof(*address));
  address->sun_family = AF_UNIX;
  if (strlen(path) >= sizeof(address->sun_path)) {
    fprintf(stderr, "hybrid_vsock: too long: %s\n", path);
    exit(1);
  }
  strcpy(address->sun_path, path);
  const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (made < 0) fail("socket");
  return made;
}

static int connect_to(const char* path) {
  struct sockaddr_un address;
  const int made = unix_socket(path, &address);
  if (connect(made, (struct sockaddr*)&address, sizeof(address)) != 0) fail(path);
  return made;
}

// "CONNECT PORT\n"; whatever the port is.
static int is_greeted(int peer) {
  char byte = '\0';
  while (byte != '\n') {
    if (read(peer, &byte, 1) != 1) return 0;
  }
  return write(peer, "OK 1073741824\n", 14) == 14;
}

static int hand_on(int from, int to) {
  char bytes[65536];
  const ssize_t size = read(from, bytes, sizeof(bytes));
  if (size <= 0) return 0;
  for (ssize_t written = 0; written < size;) {
    const ssize_t more = write(to, bytes + written, (size_t)(size - written));
    if (more <= 0) return 0;
    written += more;
  }
  return 1;
}

static void relay(int peer, int guest) {
  struct pollfd both[2] = {{peer, POLLIN, 0}, {guest, POLLIN, 0}};
  while (poll(both, 2, -1) > 0) {
    if (both[0].revents != 0 && !hand_on(peer, guest)) return;
    if (both[1].revents != 0 && !hand_on(guest, peer)) return;
  }
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: hybrid_vsock SOCKET TARGET\n");
    return 2;
  }
  struct sockaddr_un address;
  const int listening = unix_socket(argv[1], &address);
  if (bind(listening, (struct sockaddr*)&address, sizeof(address)) != 0 || listen(listening, 8) != 0) fail(argv[1]);
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    const int peer = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0) fail("accept");
    if (is_greeted(peer)) {
      const int guest = connect_to(argv[2]);
      relay(peer, guest);
      close(guest);
    }
    close(peer);
  }
}
