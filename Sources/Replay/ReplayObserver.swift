import Explanation
import FlowLogs
import Tables

/// One packet of a replay and its judgement, for an observer.
public struct ObservedPacket: Sendable {
  /// As recorded, in nanoseconds since 1970.
  public var time: UInt64
  /// Original bytes of the recorded frame.
  public var bytes: UInt32
  public var outcome: Outcome
  /// As its sender wrote it, behind a tunnel that inside; nil when the packet is not IP.
  public var tuple: FlowTuple?
  /// Bytes of the IP packet by its own header; zero when the packet is not IP.
  public var bytesOfIP: UInt64

  public init(
    time: UInt64, bytes: UInt32, outcome: Outcome, tuple: FlowTuple? = nil, bytesOfIP: UInt64 = 0
  ) {
    self.time = time
    self.bytes = bytes
    self.outcome = outcome
    self.tuple = tuple
    self.bytesOfIP = bytesOfIP
  }
}

/// Is told every packet of a replay, in the order of the input.
public protocol ReplayObserver: AnyObject {
  /// Takes note of one judged packet.
  func observe(_ packet: ObservedPacket)

  /// Takes note of what the engine keeps, after all packets so far and before one at `time`.
  ///
  /// - Parameters:
  ///   - time: of the packet to come, in capture time; of the last one when nothing comes.
  ///   - connections: tracked connections by index of the NIC.
  /// - Returns: the capture time from which on the next call is wanted.
  func sample(before time: UInt64, connections: (TableIndex) -> UInt32) -> UInt64
}

extension ReplaySession {
  /// Has an observer told of every packet from here on.
  mutating func attach(_ observer: any ReplayObserver) {
    self.observer = observer
    outputs.keepsFacts = true
    nextSample = 0
  }

  /// Settles what was read, and shows the observer the tracked connections.
  mutating func sample() {
    finishBurst()
    guard let observer else { return }
    nextSample = observer.sample(before: now) { worker.nicState($0).connections }
  }
}
