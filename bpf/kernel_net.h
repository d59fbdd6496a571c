/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef KATAMETER_KERNEL_NET_H
#define KATAMETER_KERNEL_NET_H

/* As kernel.h: what is read of a network namespace. */

#include "bpf/kernel_task.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/net/snmp.h: per-CPU arrays; in which order, enumerators without a type of their own say (include/uapi/linux/snmp.h).
 */
struct tcp_mib {
  unsigned long mibs[1];
};

struct linux_mib {
  unsigned long mibs[1];
};

struct udp_mib {
  unsigned long mibs[1];
};

/* include/net/netns/mib.h */
struct netns_mib {
  struct tcp_mib *tcp_statistics;
  struct linux_mib *net_statistics;
  struct udp_mib *udp_statistics;
};

/* With CONFIG_IPV6. */
struct netns_mib___ipv6 {
  struct udp_mib *udp_stats_in6;
};

/* net/core/sock.c, per CPU: sockets by protocol (proto.inuse_idx). */
struct prot_inuse {
  int val[1];
};

struct netns_core {
  struct prot_inuse *prot_inuse;
};

typedef struct {
  atomic_t refs;
} refcount_t;

/* A reference is the namespace's own. Older kernels, such as 5.10, have an atomic `tw_count` without it. */
struct inet_timewait_death_row {
  refcount_t tw_refcount;
};

struct inet_timewait_death_row___count {
  atomic_t tw_count;
};

/* Some kernels between 5.10 and 6.1 have a pointer here, which is not followed. */
struct netns_ipv4 {
  struct inet_timewait_death_row tcp_death_row;
};

struct net {
  struct sock *rtnl;
  struct netns_core core;
  struct netns_mib mib;
  struct netns_ipv4 ipv4;
};

struct nsproxy___net {
  struct net *net_ns;
};

/* include/net/sock.h: all protocols are in one list. */
struct proto {
  unsigned int inuse_idx;
  char name[32];
  struct list_head node;
};

struct sock_common {
  struct proto *skc_prot;
};

struct sock {
  struct sock_common __sk_common;
};

#pragma clang attribute pop

#endif
