import Foundation
import Synchronization

/// The seed under way, for those who end the program, and for those who find that it crashed.
///
/// SIGINT or SIGTERM let the seed end first, and the same once more ends at once: a host that
/// hangs never comes to the end of its seed. Handlers of signals only read, write and restore.
enum UnderWay {
  private static let received = Atomic<Int32>(0)
  /// Texts made before a seed begins, as handlers may not allocate: one to be told, and one that is
  /// written meanwhile.
  nonisolated(unsafe) private static let texts = UnsafeMutablePointer<UInt8>.allocate(
    capacity: 2 * capacity)
  /// Which text is to be told, and its length below 2^16.
  private static let told = Atomic<Int>(0)
  /// What the runtime does of a crash, and this does not take from it.
  nonisolated(unsafe) private static let formerActions =
    UnsafeMutablePointer<sigaction>.allocate(capacity: signalCount)
  private static let capacity = 96
  private static let signalCount = 65

  /// The signal that asked for the end; 0 as long as none did.
  static var signal: Int32 { received.load(ordering: .relaxed) }

  /// Takes the signals over, when the first seed has its name.
  static func begin() {
    formerActions.initialize(repeating: sigaction(), count: signalCount)
    var ending = sigaction()
    ending.__sigaction_handler.sa_handler = { number in UnderWay.end(number) }
    // The second one is not waited for.
    ending.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_RESTART
    for number in [SIGINT, SIGTERM] { sigaction(number, &ending, nil) }
    var crash = sigaction()
    crash.__sigaction_handler.sa_handler = { number in UnderWay.tellCrash(number) }
    crash.sa_flags = SA_ONSTACK
    for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE] {
      sigaction(number, &crash, formerActions + Int(number))
    }
    // Whoever started this may have kept them back for itself.
    var kept = sigset_t()
    sigemptyset(&kept)
    for number in [SIGINT, SIGTERM, SIGILL] { sigaddset(&kept, number) }
    pthread_sigmask(SIG_UNBLOCK, &kept, nil)
  }

  /// Says which seed begins.
  static func name(_ seed: UInt64) {
    let bytes = Array("\nseed \(seed) is under way\n".utf8.prefix(capacity))
    let other = 1 - told.load(ordering: .relaxed) >> 16
    (texts + other * capacity).update(from: bytes, count: bytes.count)
    told.store(other << 16 | bytes.count, ordering: .sequentiallyConsistent)
  }

  private static func end(_ number: Int32) {
    received.store(number, ordering: .relaxed)
    tell()
  }

  private static func tellCrash(_ number: Int32) {
    tell()
    // It comes once more when this returns, and meets who was there before.
    sigaction(number, formerActions + Int(number), nil)
    raise(number)
  }

  private static func tell() {
    let word = told.load(ordering: .relaxed)
    _ = write(2, texts + (word >> 16) * capacity, word & 0xFFFF)
  }
}
