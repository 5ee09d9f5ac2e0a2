/// Guests that are refused.
enum HostRefusalCases {
  typealias Case = HostRefusalTests.Case

  static let guests = [
    Case(
      name: "no guests", text: "runtime: kernel\nguests: []\n",
      errors: ["H:2:9: guests: must name at least one guest"]),
    Case(
      name: "a guest twice",
      text: HostRefusalTests.kernel("", guests: "[{eni: a, tap: t0}, {eni: a, tap: t1}]"),
      errors: ["H:2:35: guests[1].eni: `a` is used twice; first at H:2"]),
    Case(
      name: "a tap twice",
      text: HostRefusalTests.kernel("", guests: "[{eni: a, tap: t0}, {eni: b, tap: t0}]"),
      errors: ["H:2:43: guests[1].tap: `t0` is used twice; first at H:2"]),
    Case(
      name: "the uplink as a guest's",
      text: "runtime: kernel\nuplink: {interface: e}\nguests: [{eni: a, interface: e}]",
      errors: ["H:3:30: guests[0].interface: `e` is used twice; first at H:2"]),
    Case(
      name: "no port", text: HostRefusalTests.kernel("", guests: "[{eni: a}]"),
      errors: ["H:2:10: guests[0]: needs the guest's port: `tap` or `interface`"]),
    Case(
      name: "two ports",
      text: HostRefusalTests.kernel("", guests: "[{eni: a, tap: t, interface: i}]"),
      errors: [
        "H:2:38: guests[0].interface: a guest has one port, and `tap` is given already"
      ]),
    Case(
      name: "no network interface", text: HostRefusalTests.kernel("", guests: "[{tap: t0}]"),
      errors: ["H:2:10: guests[0].eni: is missing"]),
    Case(
      name: "a number for a name", text: HostRefusalTests.kernel("", guests: "[{eni: 7, tap: t0}]"),
      errors: [
        "H:2:16: guests[0].eni: must be text, not the number 7; quote it if it is an id"
      ]),
    Case(
      name: "a long name",
      text: HostRefusalTests.kernel("", guests: "[{eni: a, tap: tap-of-the-web-server}]"),
      errors: [
        "H:2:24: guests[0].tap: `tap-of-the-web-server` cannot be the name of a network interface"
      ]),
    Case(
      name: "a tap under DPDK", text: HostRefusalTests.dpdk("{eni: a, tap: t0}"),
      errors: [
        "H:2:24: guests[0].tap: is for `runtime: kernel`; `runtime: dpdk` has `vhostUser` or "
          + "`device`"
      ]),
    Case(
      name: "vhost-user without DPDK",
      text: HostRefusalTests.kernel("", guests: "[{eni: a, vhostUser: {socket: /run/a}}]"),
      errors: [
        "H:2:30: guests[0].vhostUser: is for `runtime: dpdk`; `runtime: kernel` has `tap` or "
          + "`interface`"
      ]),
    Case(
      name: "a socket twice",
      text: HostRefusalTests.dpdk(
        "{eni: a, vhostUser: {socket: /r/a}}, {eni: b, vhostUser: {socket: /r/a}}"),
      errors: ["H:2:76: guests[1].vhostUser.socket: `/r/a` is used twice; first at H:2"]),
    Case(
      name: "a relative socket", text: HostRefusalTests.dpdk("{eni: a, vhostUser: {socket: a}}"),
      errors: ["H:2:39: guests[0].vhostUser.socket: `a` must begin at the root, with `/`"]),
    Case(
      name: "vhost-user fields",
      text: HostRefusalTests.dpdk("{eni: a, vhostUser: {socket: /a, mtu: 68, offload: no, x: 1}}"),
      errors: [
        "H:2:48: guests[0].vhostUser.mtu: must be a whole number from 576 to 65535, not `68`",
        "H:2:61: guests[0].vhostUser.offload: must be true or false, not `no`",
        "H:2:65: guests[0].vhostUser.x: is not a known field",
      ]),
    Case(
      name: "an option for a device", text: HostRefusalTests.dpdk("{eni: a, device: --vdev=x}"),
      errors: [
        "H:2:27: guests[0].device: must be a device such as `0000:00:05.0` or "
          + "`net_af_xdp0,iface=eth1`, not `--vdev=x`"
      ]),
    Case(
      name: "a device twice",
      text: HostRefusalTests.dpdk(
        "{eni: a, device: \"net_tap0,iface=x\"}, {eni: b, device: \"net_tap0,iface=y\"}"),
      errors: ["H:2:65: guests[1].device: `net_tap0` is used twice; first at H:2"]),
    Case(
      name: "a device with a guest and without",
      text: HostRefusalTests.dpdk("{eni: a, device: \"00:01.0\"}")
        + "\ncontrol: {stateDirectory: /s}\ndevices: [net_tap0, {device: \"0000:00:01.0\"},"
        + " {device: 0000:00:01.0, queues: 65}, {queues: 1}, net_tap0]\n",
      errors: [
        "H:6:30: devices[1].device: `0000:00:01.0` is used twice; first at H:2",
        "H:6:56: devices[2].device: `0000:00:01.0` is used twice; first at H:2",
        "H:6:78: devices[2].queues: must be a whole number from 1 to 64, not `65`",
        "H:6:83: devices[3].device: is missing",
        "H:6:96: devices[4]: `net_tap0` is used twice; first at H:6",
      ]),
    Case(
      name: "waiting devices of the kernel runtime",
      text: HostRefusalTests.kernel("", guests: "[{eni: a, tap: t}]") + "\ndevices: [net_tap0]\n",
      errors: [
        "H:5:10: devices: is for `runtime: dpdk`; the kernel runtime opens ports when they come"
      ]),
    Case(
      name: "waiting devices that no guest can get",
      text: HostRefusalTests.dpdk("{eni: a, device: net_tap1}") + "\ndevices: [net_tap0]\n",
      errors: [
        "H:5:10: devices: needs `control`: without it no guest can be attached to them"
      ]),
  ]
}
