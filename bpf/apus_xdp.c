// Takes tunnel packets of the underlay to AF_XDP sockets, and nothing else.
//
// Taken: unfragmented UDP to port 6081 (Geneve, RFC 8926) or 4789 (VXLAN, RFC 7348) whose
// destination is this host's tunnel address. All else goes the kernel's way: SSH, ARP, neighbour
// discovery, DHCP, routing protocols, frames with a VLAN tag, IPv6 with extension headers.
//
// Fragments stay with the kernel too. A later fragment shows no port, so that it may be anybody's,
// and a first fragment without the others is worth nothing: Apus does not reassemble tunnel
// packets, as RFC 7348 section 4.3 has it.
//
// Build with scripts/make-bpf. No kernel header but the stable user-space ones is needed.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PORT_GENEVE 6081
#define PORT_VXLAN 4789
#define IPV4_FRAGMENT_BITS 0x3FFF  // More Fragments, and the offset; not Don't Fragment.

// This host's tunnel address; set before the program is loaded (`struct constants` of CXDP).
// `family` is 4, 6, or 0 for none: nothing is taken. Words of the address are in network byte
// order; IPv4 is in the first.
const volatile struct {
  __u32 family;
  __u32 address[4];
} apus_tunnel = {0};

// The socket of each receive queue. A queue without one leaves its packets to the kernel.
struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u32);
} apus_sockets SEC(".maps");

static __always_inline int is_tunnel(const void *transport, const void *end) {
  const struct udphdr *udp = transport;
  if ((const void *)(udp + 1) > end) return 0;
  return udp->dest == bpf_htons(PORT_GENEVE) || udp->dest == bpf_htons(PORT_VXLAN);
}

static __always_inline int is_ours_ipv4(const void *network, const void *end) {
  const struct iphdr *ip = network;
  if (apus_tunnel.family != 4 || (const void *)(ip + 1) > end) return 0;
  if (ip->version != 4 || ip->ihl < 5 || ip->protocol != IPPROTO_UDP) return 0;
  if (ip->daddr != apus_tunnel.address[0]) return 0;
  if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_BITS)) return 0;
  return is_tunnel(network + ip->ihl * 4, end);
}

static __always_inline int is_ours_ipv6(const void *network, const void *end) {
  const struct ipv6hdr *ip = network;
  if (apus_tunnel.family != 6 || (const void *)(ip + 1) > end) return 0;
  if (ip->version != 6 || ip->nexthdr != IPPROTO_UDP) return 0;
  const __be32 *to = ip->daddr.in6_u.u6_addr32;
  if (to[0] != apus_tunnel.address[0] || to[1] != apus_tunnel.address[1]) return 0;
  if (to[2] != apus_tunnel.address[2] || to[3] != apus_tunnel.address[3]) return 0;
  return is_tunnel(ip + 1, end);
}

SEC("xdp")
int apus_uplink(struct xdp_md *context) {
  const void *end = (const void *)(long)context->data_end;
  const struct ethhdr *ethernet = (const void *)(long)context->data;
  if ((const void *)(ethernet + 1) > end) return XDP_PASS;
  int ours = 0;
  if (ethernet->h_proto == bpf_htons(ETH_P_IP)) ours = is_ours_ipv4(ethernet + 1, end);
  if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) ours = is_ours_ipv6(ethernet + 1, end);
  if (!ours) return XDP_PASS;
  return bpf_redirect_map(&apus_sockets, context->rx_queue_index, XDP_PASS);
}

char apus_license[] SEC("license") = "Dual MIT/GPL";
