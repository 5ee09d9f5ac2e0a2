import FlowLogs

/// Flow logs of all live packets: `flowLog` in HOST.yaml.
public struct FlowLogPlan: Sendable, Equatable {
  /// Where the files are; it has to be there.
  public var directory: String
  public var format: FlowLogFormat
  /// How long a record and a file cover at most.
  public var interval: FlowLogInterval
  /// Files are gzip members.
  public var isCompressed: Bool
  /// Open records that there is room for.
  public var records: Int
  /// Bytes after which an interval goes on in another file.
  public var fileBytes: Int
  /// Finished files that are kept, and bytes of them; the oldest are removed.
  public var keptFiles: Int
  public var keptBytes: Int

  public init(
    directory: String, format: FlowLogFormat = FlowLogFormat(),
    interval: FlowLogInterval = .tenMinutes, isCompressed: Bool = true, records: Int = 1 << 18,
    fileBytes: Int = 64 << 20, keptFiles: Int = 1_008, keptBytes: Int = 1 << 30
  ) {
    self.directory = directory
    self.format = format
    self.interval = interval
    self.isCompressed = isCompressed
    self.records = records
    self.fileBytes = fileBytes
    self.keptFiles = keptFiles
    self.keptBytes = keptBytes
  }
}
