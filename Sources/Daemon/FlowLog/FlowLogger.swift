import Glibc
import Live
import Logging
import Synchronization

/// The flow log of a host: a thread that counts what workers note, and one that writes files.
///
/// Neither holds up a worker: a note for which there is no room is counted, and told as SKIPDATA.
final class FlowLogger {
  /// Packets of each worker that may wait, 320 bytes each.
  static let ring = 1 << 14
  /// Microseconds between two looks into empty rings, and at new batches.
  private static let pause: UInt32 = 2_000
  private static let writerPause: UInt32 = 20_000
  /// Seconds that the last file may take.
  static let patience = 10

  /// What both threads use; each part is one thread's.
  private final class Work: @unchecked Sendable {
    let reader: FlowLogReader
    let files: FlowLogFiles
    let mail: FlowLogMail
    let isEnding = Atomic(false)

    init(_ reader: FlowLogReader, _ files: FlowLogFiles, _ mail: FlowLogMail) {
      self.reader = reader
      self.files = files
      self.mail = mail
    }
  }

  private let work: Work
  private let reader: DaemonThread
  private let writer: DaemonThread
  private let logger: Logger

  /// Starts both threads, before the workers judge anything.
  ///
  /// - Parameter host: made to note packets.
  /// - Throws: when the system has no thread left.
  init(
    _ plan: FlowLogPlan, _ folder: FlowLogFolder, _ host: HostServer, logger: Logger
  ) throws(DaemonFailure) {
    self.logger = logger
    let counters = host.flowLog ?? FlowLogCounters()
    let mail = FlowLogMail()
    let reader = FlowLogReader(
      plan, shared: host.shared, inUse: host.inUse,
      nicCapacity: host.plan.memory.tableCapacity.networkInterfaces, mail: mail,
      counters: counters)
    let files = FlowLogFiles(plan, folder, counters, logger: logger)
    files.begin(interfaces: host.inUse.current.model.networkInterfaces.map(\.id))
    let work = Work(reader, files, mail)
    self.work = work
    writer = try DaemonThread.start(name: "apus-flow-files") { Self.write(work) }
    do throws(DaemonFailure) {
      self.reader = try DaemonThread.start(name: "apus-flow-log") { Self.read(work) }
    } catch {
      mail.close()
      throw error
    }
    logger.info(
      "flow log",
      metadata: [
        "directory": "\(folder.path)", "interval": "\(plan.interval.rawValue)",
        "records": "\(plan.records)",
      ])
  }

  private static func read(_ work: Work) {
    while true {
      // Asked before the rings: what came until then is in them.
      let isEnding = work.isEnding.load(ordering: .acquiring)
      let count = work.reader.advance()
      if count > 0 { continue }
      if isEnding { break }
      usleep(pause)
    }
    work.reader.end()
    work.mail.close()
  }

  private static func write(_ work: Work) {
    while true {
      let (letters, isLast) = work.mail.take()
      for letter in letters {
        switch letter {
        case .opened(let start): work.files.open(start: start)
        case .batch(let batch):
          work.files.write(batch)
          work.mail.settle(batch.records.count)
        }
      }
      if isLast { break }
      if letters.isEmpty { usleep(writerPause) }
    }
    work.files.end()
  }

  /// Writes what is open; after the workers have ended.
  ///
  /// - Returns: false when the rings are still read; then nothing that workers share may be freed.
  func end() -> Bool {
    work.isEnding.store(true, ordering: .releasing)
    if !DaemonThread.wait([reader, writer], seconds: Self.patience, while: { $0 != .ended }) {
      logger.error("the flow log's last file is not written in time; its records are lost")
    }
    return reader.state == .ended
  }
}
