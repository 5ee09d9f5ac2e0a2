import Glibc
import Synchronization

/// The right to write a state directory, which one process at a time has.
///
/// Two writers would break the chain of the audit log and take back each other's changes.
final class StateLock: Sendable {
  private let descriptor: Mutex<Int32>

  /// - Throws: when another process has it; it is not waited for.
  init(directory: String) throws(StorageError) {
    let path = directory + "/lock"
    let what = "the state directory \(directory) cannot be used"
    let opened = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard opened >= 0 else { throw StorageError(what, errno: errno) }
    guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
      let isTaken = errno == EWOULDBLOCK
      let error =
        isTaken
        ? StorageError(what, why: "another process uses it", isTaken: true)
        : StorageError(what, errno: errno)
      close(opened)
      throw error
    }
    descriptor = Mutex(opened)
  }

  deinit { release() }

  func release() {
    descriptor.withLock { descriptor in
      if descriptor >= 0 {
        // Closing is not enough while a child that was just forked has the descriptor too.
        flock(descriptor, LOCK_UN)
        close(descriptor)
      }
      descriptor = -1
    }
  }
}
