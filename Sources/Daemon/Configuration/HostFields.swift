import VPCModel

/// The fields of the objects in a host file.
extension ObjectFields {
  static let hostFile = ObjectFields(
    name: "", required: ["runtime"],
    optional: [
      "version", "guests", "devices", "workers", "uplink", "memory", "rules", "metrics",
      "runDirectory", "confine", "control", "flowLog",
    ])
  static let workers = ObjectFields(
    name: "workers", required: [], optional: ["cores", "count", "poll"])
  static let uplink = ObjectFields(
    name: "uplink", required: [],
    optional: ["interface", "device", "queues", "prefixLength", "gateway", "zeroCopy"])
  static let memory = ObjectFields(
    name: "memory", required: [],
    optional: [
      "flows", "nics", "rules", "buffersPerGuest", "buffersForUplink", "hugepages", "megabytes",
    ])
}
