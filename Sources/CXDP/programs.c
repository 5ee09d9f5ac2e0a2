// BPF programs: the uplink's by libbpf, and the two instructions that keep guests from the host.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <string.h>
#include <unistd.h>

#include "CXDP.h"

struct constants {
  uint32_t family;
  uint8_t address[16];
};

int cxdp_program_load(struct cxdp_program *program, uint32_t family, const uint8_t *address) {
  libbpf_set_print(NULL);
  memset(program, 0, sizeof *program);
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "apus");
  struct bpf_object *object = bpf_object__open_mem(cxdp_object, cxdp_object_bytes, &options);
  if (!object) return -errno;
  struct constants constants = {.family = family};
  if (family != 0) memcpy(constants.address, address, family == 4 ? 4 : 16);
  int result = -EINVAL;
  struct bpf_map *data = bpf_object__find_map_by_name(object, ".rodata");
  if (data) result = bpf_map__set_initial_value(data, &constants, sizeof constants);
  if (result == 0) result = bpf_object__load(object);
  if (result == 0) {
    program->object = object;
    program->program_fd =
        bpf_program__fd(bpf_object__find_program_by_name(object, "apus_uplink"));
    program->sockets_fd = bpf_object__find_map_fd_by_name(object, "apus_sockets");
    if (program->program_fd >= 0 && program->sockets_fd >= 0) return 0;
    result = -EINVAL;
  }
  bpf_object__close(object);
  memset(program, 0, sizeof *program);
  return result;
}

void cxdp_program_close(struct cxdp_program *program) {
  if (program->object) bpf_object__close(program->object);
  memset(program, 0, sizeof *program);
}

int cxdp_program_add_socket(const struct cxdp_program *program, uint32_t queue, int socket_fd) {
  return bpf_map_update_elem(program->sockets_fd, &queue, &socket_fd, BPF_ANY);
}

int cxdp_program_attach(const struct cxdp_program *program, int interface_index, bool generic) {
  LIBBPF_OPTS(
      bpf_link_create_opts, options, .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
  return bpf_link_create(program->program_fd, interface_index, BPF_XDP, &options);
}

int cxdp_program_query(int interface_index, uint32_t *link, uint32_t *program) {
  *link = 0;
  *program = 0;
  LIBBPF_OPTS(bpf_xdp_query_opts, options);
  int result = bpf_xdp_query(interface_index, 0, &options);
  if (result < 0) return result;
  *program = options.prog_id;
  // Links are counted from 1; a program that was attached without one has none.
  uint32_t at = 0;
  for (int i = 0; i < 10000 && bpf_link_get_next_id(at, &at) == 0; i++) {
    int fd = bpf_link_get_fd_by_id(at);
    if (fd < 0) continue;
    struct bpf_link_info info = {0};
    uint32_t bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &bytes) == 0 && info.type == BPF_LINK_TYPE_XDP &&
        info.xdp.ifindex == (uint32_t)interface_index && info.prog_id == options.prog_id)
      *link = at;
    close(fd);
    if (*link) break;
  }
  return 0;
}

int cxdp_ingress_drop(int interface_index) {
  libbpf_set_print(NULL);
  const struct bpf_insn instructions[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_SHOT},
      {.code = BPF_JMP | BPF_EXIT},
  };
  int program = bpf_prog_load(
      BPF_PROG_TYPE_SCHED_CLS, "apus_guest_drop", "Dual MIT/GPL", instructions, 2, NULL);
  if (program < 0) return program;
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface_index, .attach_point = BPF_TC_INGRESS);
  int result = bpf_tc_hook_create(&hook);
  if (result == 0 || result == -EEXIST) {
    // The first of all filters; handle and priority are ours, so that a restart replaces it.
    LIBBPF_OPTS(
        bpf_tc_opts, options, .prog_fd = program, .handle = 0xA905, .priority = 1,
        .flags = BPF_TC_F_REPLACE);
    result = bpf_tc_attach(&hook, &options);
  }
  close(program);
  return result;
}
