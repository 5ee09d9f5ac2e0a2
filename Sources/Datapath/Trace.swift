import Tables
import Wire

/// A step of a judgement, as `apus replay --explain` and live traces show it.
public enum TraceStep: UInt8, BitwiseCopyable, Sendable {
  /// Judged as sent by NIC `a`.
  case egress
  /// Judged as received by NIC `a`.
  case ingress
  /// Parsed: `a` is the rule key, `b` the IP packet's length.
  case parsed
  /// A service takes it: `a` is the raw value of `Service`.
  case service
  /// The source is the NIC's own, or is not checked (`a` = 0).
  case source
  /// A fragment: `a` is its offset, `b` 1 when more follow.
  case fragment
  /// A later fragment follows its first: `a` is that one's rule.
  case fragmentFollows
  /// Part of a connection: `a` is the rule that allowed it, `b` the TCP state.
  case connectionFound
  /// No connection; the packet may begin one.
  case connectionNew
  /// A connection is known, and the packet is not valid for it: `a` is the TCP state.
  case connectionInvalid
  /// An ICMP error about a live connection: `a` is the rule that allowed that.
  case related
  /// An untracked flow.
  case untracked
  /// The groups allow it by rule `a`.
  case groupAllows
  /// None of the NIC's `a` groups allows it.
  case groupsDeny
  /// The destination is in the NIC's own subnet: no route, no network ACL.
  case sameSubnet
  /// Route `a` (its rule number, 0 for local) of kind `b`.
  case route
  /// No route.
  case routeMissing
  /// The network ACL decides: `a` is the rule, `b` 1 when it allows.
  case acl
  /// The address lives at NIC `a`.
  case atNIC
  /// The address lives behind mapping `a`.
  case atMapping
  /// Through internet gateway `a`.
  case throughGateway
  /// The source becomes public address `a` (index of `nicPublicAddresses`), or the destination
  /// becomes private again (`b` = 1).
  case translated
  /// The packet has `a` bytes, the path allows `b`.
  case size
  /// All limits admit `a` bytes.
  case limits
  /// A connection was created by rule `a`.
  case connectionCreated
  /// Decapsulated: VNI `a`.
  case tunnel
}

/// One recorded step.
public struct TraceEvent: BitwiseCopyable, Sendable {
  public var step: TraceStep
  public var a: UInt64
  public var b: UInt64
}

/// The steps of the last traced packet: fixed memory, so that tracing allocates nothing.
public struct Trace: ~Copyable {
  /// A judgement by two NICs has fewer than 40 steps.
  public static var capacity: Int { 64 }

  let events: WorkerMemory<TraceEvent>
  public private(set) var count = 0

  init() { events = WorkerMemory(count: Self.capacity) }

  deinit { events.deallocate() }

  /// The step with a number below `count`.
  public subscript(_ number: Int) -> TraceEvent { events[number] }

  mutating func clear() { count = 0 }

  @inline(never)
  mutating func record(_ step: TraceStep, _ a: UInt64, _ b: UInt64) {
    guard count < Self.capacity else { return }
    events[count] = TraceEvent(step: step, a: a, b: b)
    count &+= 1
  }
}
