extension FlowLogCounters.Values {
  /// The families of the flow log.
  func write(to text: inout OpenMetricsText) {
    let counters: [(name: String, unit: String?, help: String, value: UInt64)] = [
      ("apus_flow_log_records", nil, "Records in finished flow log files.", records),
      ("apus_flow_log_skipped_packets", nil, "Packets that are in no record.", skippedPackets),
      (
        "apus_flow_log_skipped_records", nil, "Records that could not be written.", skippedRecords
      ),
      ("apus_flow_log_files", nil, "Finished flow log files.", files),
      ("apus_flow_log_bytes", "bytes", "Bytes of these files.", bytes),
      (
        "apus_flow_log_removed_files", nil, "Flow log files that were removed to make room.",
        removedFiles
      ),
      ("apus_flow_log_failures", nil, "Times that a file could not be written.", failures),
    ]
    for counter in counters {
      text.family(counter.name, .counter, unit: counter.unit, help: counter.help)
      text.sample([], counter.value)
    }
    text.family(
      "apus_flow_log_open_records", .gauge, help: "Records that are not yet in a file.")
    text.sample([], openRecords)
    text.family(
      "apus_flow_log_last_failure_seconds", .gauge, unit: "seconds",
      help: "When a file could not be written last, since 1970; 0 for never.")
    text.sample([], lastFailure)
  }
}
