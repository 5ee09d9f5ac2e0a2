// Devices with a poll mode driver.
#pragma once
#include "apus_frame.h"

typedef struct {
  uint16_t max_rx_queues, max_tx_queues;
  uint16_t max_mtu;
  /// Transmit offloads of the device, `APUS_TX_…`.
  uint32_t offloads;
  /// Device spreads packets by IP and UDP headers.
  bool has_rss;
  /// 48 bits, the first byte the most significant.
  uint64_t mac;
} apus_ethdev_info;

#define APUS_TX_CHECKSUM 1
#define APUS_TX_TSO 2
#define APUS_TX_TUNNEL_TSO 4
#define APUS_TX_CHAINS 8

/// Finds the port of a PCI address, or makes that of a virtual device's string
/// (`net_null0,copy=1`). Returns the port's number.
int apus_ethdev_open(const char *name);

/// Reads what the device can.
int apus_ethdev_inspect(uint16_t port, apus_ethdev_info *info);

typedef struct {
  uint16_t rx_queues, tx_queues;
  uint16_t mtu;
  uint16_t descriptors;
  apus_pool *pool;
  /// Take frames to any address; else those to the device's own and to groups.
  bool is_promiscuous;
} apus_ethdev_setup;

/// Configures, with receive-side scaling and transmit offloads as far as there are any, and starts.
/// A device that insists on as many transmit as receive queues gets them: `tx_queues` is updated.
int apus_ethdev_start(uint16_t port, apus_ethdev_setup *setup);

/// Stops and closes; the port's number is free afterwards.
void apus_ethdev_close(uint16_t port);

/// The link's state, at most a tenth of a second old.
bool apus_ethdev_is_up(uint16_t port);

/// Takes received frames, at most `APUS_BURST`. A frame whose buffer is not one of ours, or has too
/// little headroom, is copied into `pool`; what cannot be copied is freed and added to `lost`.
uint32_t apus_ethdev_receive(uint16_t port, uint16_t queue, apus_pool *pool, apus_packet *packets,
                             uint32_t count, uint32_t *lost);

/// A lock for a queue that several threads send to.
typedef struct {
  int word;
} apus_lock;

/// Sends frames, at most `APUS_BURST`, and takes their buffers over; those that are not taken are
/// freed, and their bytes added to `unsent`.
///
/// `lock` is NULL for a queue of the thread's own. `offloads` are those of the device. `is_plain`:
/// none of the frames is in several buffers or asks for an offload.
/// Returns how many were taken.
uint32_t apus_ethdev_send(uint16_t port, uint16_t queue, uint32_t offloads, apus_lock *lock,
                          apus_mbuf **mbufs, uint32_t count, bool is_plain, uint64_t *unsent);

/// Drops what a queue has received so far; no worker polls it yet.
void apus_ethdev_discard(uint16_t port, uint16_t queue);

/// Frees the buffers of frames that a queue has sent, where the driver can; nobody sends to it.
void apus_ethdev_collect(uint16_t port, uint16_t queue);
