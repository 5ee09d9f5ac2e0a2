// Interfaces by ioctl: netdevice(7) and the kernel's ethtool interface.
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CXDP.h"

static int control(unsigned long call, const char *name, struct ifreq *request) {
  // Any socket asks about interfaces; a local one may also be made by a confined process.
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  strncpy(request->ifr_name, name, IFNAMSIZ - 1);
  request->ifr_name[IFNAMSIZ - 1] = 0;
  int result = ioctl(fd, call, request) < 0 ? -errno : 0;
  close(fd);
  return result;
}

static int ethtool(const char *name, void *command) {
  struct ifreq request = {.ifr_data = command};
  return control(SIOCETHTOOL, name, &request);
}

int cxdp_interface_get(const char *name, struct cxdp_interface *found) {
  struct ifreq request = {0};
  int result = control(SIOCGIFINDEX, name, &request);
  if (result < 0) return result;
  found->index = request.ifr_ifindex;
  result = control(SIOCGIFMTU, name, &request);
  if (result < 0) return result;
  found->mtu = request.ifr_mtu;
  result = control(SIOCGIFFLAGS, name, &request);
  if (result < 0) return result;
  found->flags = (uint16_t)request.ifr_flags;
  result = control(SIOCGIFHWADDR, name, &request);
  if (result < 0) return result;
  found->mac = 0;
  for (int i = 0; i < 6; i++)
    found->mac = found->mac << 8 | (uint8_t)request.ifr_hwaddr.sa_data[i];
  return 0;
}

int cxdp_interface_set_flags(const char *name, uint32_t set, uint32_t clear) {
  struct ifreq request = {0};
  int result = control(SIOCGIFFLAGS, name, &request);
  if (result < 0) return result;
  request.ifr_flags = (short)(((uint16_t)request.ifr_flags | set) & ~clear);
  return control(SIOCSIFFLAGS, name, &request);
}

int cxdp_interface_receive_queues(const char *name) {
  struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
  int result = ethtool(name, &channels);
  return result < 0 ? result : (int)(channels.rx_count + channels.combined_count);
}

int cxdp_feature_bits(const char *interface, const char *const *names, int *bits, int count) {
  // One set is asked for, so one length follows the header.
  uint32_t size[(sizeof(struct ethtool_sset_info) + sizeof(uint32_t)) / sizeof(uint32_t)] = {0};
  struct ethtool_sset_info *info = (struct ethtool_sset_info *)size;
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = 1ull << ETH_SS_FEATURES;
  int result = ethtool(interface, info);
  if (result < 0) return result;
  uint32_t length = info->data[0];
  struct ethtool_gstrings *strings =
      calloc(1, sizeof *strings + (size_t)length * ETH_GSTRING_LEN);
  if (!strings) return -ENOMEM;
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_FEATURES;
  strings->len = length;
  result = ethtool(interface, strings);
  for (int i = 0; i < count; i++) {
    bits[i] = -1;
    for (uint32_t j = 0; result == 0 && j < strings->len && j < 256; j++)
      if (strncmp((char *)strings->data + j * ETH_GSTRING_LEN, names[i], ETH_GSTRING_LEN) == 0)
        bits[i] = (int)j;
  }
  free(strings);
  return result;
}

int cxdp_features_get(const char *interface, uint32_t words[8]) {
  struct ethtool_get_features_block *blocks;
  uint8_t space[sizeof(struct ethtool_gfeatures) + 8 * sizeof *blocks]
      __attribute__((aligned(8))) = {0};
  struct ethtool_gfeatures *features = (struct ethtool_gfeatures *)space;
  features->cmd = ETHTOOL_GFEATURES;
  features->size = 8;
  blocks = features->features;
  int result = ethtool(interface, features);
  for (int i = 0; i < 8; i++) words[i] = result == 0 ? blocks[i].active : 0;
  return result;
}
