/// Who is at the other end of a Unix socket, as the kernel keeps it since `connect`.
///
/// Laid out as Linux's `struct ucred`, which the C library shows to GNU sources only (unix(7)).
struct PeerCredentials: Sendable, Equatable {
  var process: Int32
  var user: UInt32
  var group: UInt32
}
