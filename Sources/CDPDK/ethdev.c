#include "apus_ethdev.h"

#include <errno.h>
#include <rte_alarm.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_spinlock.h>
#include <stdatomic.h>
#include <string.h>

#include "mbuf.h"

int apus_ethdev_open(const char *name) {
  char device[RTE_ETH_NAME_MAX_LEN];
  const char *comma = strchr(name, ',');
  size_t length = comma == NULL ? strlen(name) : (size_t)(comma - name);
  if (length == 0 || length >= sizeof device) return -EINVAL;
  memcpy(device, name, length);
  device[length] = 0;
  uint16_t port;
  if (rte_eth_dev_get_port_by_name(device, &port) == 0) return port;
  // PCI devices were probed when EAL started: what is not there by now is a virtual one.
  if (strchr(device, ':') != NULL) return -ENODEV;
  int result = rte_eal_hotplug_add("vdev", device, comma == NULL ? "" : comma + 1);
  if (result != 0) return result < 0 ? result : -result;
  return rte_eth_dev_get_port_by_name(device, &port) == 0 ? port : -ENODEV;
}

/// What a driver says it can do when it sends, less what it cannot.
static uint64_t capabilities_of(const struct rte_eth_dev_info *device) {
  // net_tap compares the length of a segment's whole frame with the MTU, which does not count the
  // Ethernet header: it refuses every packet whose segments are full.
  bool is_tap = device->driver_name != NULL && strcmp(device->driver_name, "net_tap") == 0;
  return device->tx_offload_capa & ~(is_tap ? RTE_ETH_TX_OFFLOAD_TCP_TSO : UINT64_C(0));
}

static uint32_t offloads_of(uint64_t capabilities) {
  const uint64_t checksum = RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
  const uint64_t segmentation =
      checksum | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO;
  const uint64_t tunnel =
      segmentation | RTE_ETH_TX_OFFLOAD_VXLAN_TNL_TSO | RTE_ETH_TX_OFFLOAD_GENEVE_TNL_TSO;
  uint32_t found = 0;
  if ((capabilities & checksum) == checksum) found |= APUS_TX_CHECKSUM;
  if ((capabilities & segmentation) == segmentation) found |= APUS_TX_TSO;
  if ((capabilities & tunnel) == tunnel) found |= APUS_TX_TUNNEL_TSO;
  if (capabilities & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) found |= APUS_TX_CHAINS;
  return found;
}

int apus_ethdev_inspect(uint16_t port, apus_ethdev_info *info) {
  struct rte_eth_dev_info device;
  struct rte_ether_addr address;
  memset(info, 0, sizeof *info);
  int result = rte_eth_dev_info_get(port, &device);
  if (result != 0) return result;
  result = rte_eth_macaddr_get(port, &address);
  if (result != 0) return result;
  info->max_rx_queues = device.max_rx_queues;
  info->max_tx_queues = device.max_tx_queues;
  info->max_mtu = device.max_mtu;
  info->offloads = offloads_of(capabilities_of(&device));
  info->has_rss = (device.flow_type_rss_offloads & RTE_ETH_RSS_IP) != 0;
  for (int i = 0; i < RTE_ETHER_ADDR_LEN; i++) info->mac = info->mac << 8 | address.addr_bytes[i];
  return 0;
}

static int configure(uint16_t port, const apus_ethdev_setup *setup, uint16_t tx_queues) {
  struct rte_eth_dev_info device;
  int result = rte_eth_dev_info_get(port, &device);
  if (result != 0) return result;
  struct rte_eth_conf wanted;
  memset(&wanted, 0, sizeof wanted);
  // Fast free is left out: buffers of all pools leave at a port, in chains.
  wanted.txmode.offloads =
      capabilities_of(&device) &
      (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
       RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_VXLAN_TNL_TSO |
       RTE_ETH_TX_OFFLOAD_GENEVE_TNL_TSO | RTE_ETH_TX_OFFLOAD_OUTER_IPV4_CKSUM |
       RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
  uint64_t spread = device.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
  if (setup->rx_queues > 1 && spread != 0) {
    wanted.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    wanted.rx_adv_conf.rss_conf.rss_hf = spread;
  }
  if (setup->mtu <= device.max_mtu && setup->mtu >= device.min_mtu) wanted.rxmode.mtu = setup->mtu;
  return rte_eth_dev_configure(port, setup->rx_queues, tx_queues, &wanted);
}

static int set_up_queues(uint16_t port, const apus_ethdev_setup *setup) {
  uint16_t rx = setup->descriptors, tx = setup->descriptors;
  int result = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx);
  int socket = rte_eth_dev_socket_id(port);
  for (uint16_t queue = 0; result == 0 && queue < setup->rx_queues; queue++)
    result = rte_eth_rx_queue_setup(port, queue, rx, socket, NULL, setup->pool);
  for (uint16_t queue = 0; result == 0 && queue < setup->tx_queues; queue++)
    result = rte_eth_tx_queue_setup(port, queue, tx, socket, NULL);
  return result;
}

/// Link states as last seen, so that workers need not ask drivers.
static atomic_bool link_is_up[RTE_MAX_ETHPORTS];

#define LINK_PERIOD 100000 /* microseconds */

/// Runs in EAL's interrupt thread, again and again.
static void watch_link(void *argument) {
  uint16_t port = (uint16_t)(uintptr_t)argument;
  struct rte_eth_link link;
  bool is_up = rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
  atomic_store_explicit(&link_is_up[port], is_up, memory_order_relaxed);
  rte_eal_alarm_set(LINK_PERIOD, watch_link, argument);
}

bool apus_ethdev_is_up(uint16_t port) {
  return atomic_load_explicit(&link_is_up[port], memory_order_relaxed);
}

int apus_ethdev_start(uint16_t port, apus_ethdev_setup *setup) {
  int result = configure(port, setup, setup->tx_queues);
  if (result != 0 && setup->tx_queues != setup->rx_queues) {
    result = configure(port, setup, setup->rx_queues);
    setup->tx_queues = setup->rx_queues;
  }
  if (result == 0) result = set_up_queues(port, setup);
  if (result == 0) result = rte_eth_dev_start(port);
  if (result != 0) return result;
  // Drivers that filter nothing have neither function: their answer does not matter.
  if (setup->is_promiscuous)
    rte_eth_promiscuous_enable(port);
  else
    rte_eth_allmulticast_enable(port);
  watch_link((void *)(uintptr_t)port);
  return 0;
}

void apus_ethdev_close(uint16_t port) {
  struct rte_eth_dev_info device;
  bool is_known = rte_eth_dev_info_get(port, &device) == 0;
  rte_eal_alarm_cancel(watch_link, (void *)(uintptr_t)port);
  rte_eth_dev_stop(port);
  rte_eth_dev_close(port);
  if (is_known) rte_dev_remove(device.device);
}

uint32_t apus_ethdev_receive(uint16_t port, uint16_t queue, apus_pool *pool, apus_packet *packets,
                             uint32_t count, uint32_t *lost) {
  struct rte_mbuf *mbufs[APUS_BURST];
  uint32_t received = rte_eth_rx_burst(port, queue, mbufs, RTE_MIN(count, APUS_BURST));
  uint32_t kept = 0;
  for (uint32_t i = 0; i < received; i++) {
    struct rte_mbuf *mbuf = mbufs[i];
    if (unlikely(!mbuf_is_plain(mbuf))) {
      mbuf = rte_pktmbuf_copy(mbufs[i], pool, 0, UINT32_MAX);
      rte_pktmbuf_free(mbufs[i]);
    }
    if (unlikely(mbuf != NULL && mbuf->data_len < RTE_ETHER_HDR_LEN)) {
      rte_pktmbuf_free(mbuf);
      mbuf = NULL;
    }
    if (mbuf != NULL)
      packet_of(mbuf, &packets[kept++]);
    else
      (*lost)++;
  }
  return kept;
}

void apus_ethdev_discard(uint16_t port, uint16_t queue) {
  struct rte_mbuf *mbufs[APUS_BURST];
  // A ring that fills as fast as it is emptied is left in the end.
  for (int burst = 0; burst < 4096 / APUS_BURST; burst++) {
    uint16_t count = rte_eth_rx_burst(port, queue, mbufs, APUS_BURST);
    if (count == 0) return;
    rte_pktmbuf_free_bulk(mbufs, count);
  }
}

void apus_ethdev_collect(uint16_t port, uint16_t queue) {
  // Drivers that keep nothing, and some that do, have no such function.
  rte_eth_tx_done_cleanup(port, queue, 0);
}

/// Makes frames fit for a device. Those that it cannot have are freed.
static uint32_t make_ready(uint32_t offloads, struct rte_mbuf **mbufs, uint32_t count,
                           bool *prepare, uint64_t *unsent) {
  uint32_t ready = 0;
  for (uint32_t i = 0; i < count; i++) {
    struct rte_mbuf *mbuf = mbufs[i];
    if (mbuf->nb_segs > 1 && !(offloads & APUS_TX_CHAINS) && rte_pktmbuf_linearize(mbuf) != 0) {
      *unsent += mbuf->pkt_len;
      rte_pktmbuf_free(mbuf);
      continue;
    }
    if (mbuf->ol_flags != 0) *prepare = true;
    mbufs[ready++] = mbuf;
  }
  return ready;
}

/// Sends from `mbufs` on until the queue is full; an mbuf that the driver refuses is skipped.
static uint32_t transmit(uint16_t port, uint16_t queue, bool prepare, struct rte_mbuf **mbufs,
                         uint32_t count, uint64_t *unsent) {
  uint32_t sent = 0, at = 0;
  while (at < count) {
    uint32_t ready = count - at;
    if (prepare) ready = rte_eth_tx_prepare(port, queue, mbufs + at, ready);
    uint32_t taken = rte_eth_tx_burst(port, queue, mbufs + at, ready);
    sent += taken;
    at += taken;
    if (taken < ready) break;
    if (at < count) {
      *unsent += mbufs[at]->pkt_len;
      rte_pktmbuf_free(mbufs[at++]);
    }
  }
  if (at < count) {
    for (uint32_t i = at; i < count; i++) *unsent += mbufs[i]->pkt_len;
    rte_pktmbuf_free_bulk(mbufs + at, count - at);
  }
  return sent;
}

uint32_t apus_ethdev_send(uint16_t port, uint16_t queue, uint32_t offloads, apus_lock *lock,
                          apus_mbuf **frames, uint32_t count, bool is_plain, uint64_t *unsent) {
  struct rte_mbuf **mbufs = (struct rte_mbuf **)frames;
  bool prepare = false;
  if (!is_plain) count = make_ready(offloads, mbufs, count, &prepare, unsent);
  rte_spinlock_t *shared = (rte_spinlock_t *)lock;
  if (shared != NULL) rte_spinlock_lock(shared);
  uint32_t sent = transmit(port, queue, prepare, mbufs, count, unsent);
  if (shared != NULL) rte_spinlock_unlock(shared);
  return sent;
}
