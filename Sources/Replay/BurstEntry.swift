/// A record of the burst: what was recorded, and where its parts are kept until it is settled.
struct BurstEntry: BitwiseCopyable {
  /// Frame number in its file, from 1.
  var number: UInt64
  /// As recorded, in nanoseconds.
  var time: UInt64
  /// Original length of the recorded frame.
  var bytes: UInt32
  /// Index in the engine's burst; -1 for what is ignored.
  var packet: Int32 = -1
  var linkType: UInt16 = 0
  var isExplained = false
  var interface: Int = 0
  /// Where the recorded bytes are kept for the annotated capture.
  var copyStart = 0
  var copyLength = 0

  init(number: UInt64, time: UInt64, bytes: UInt32) {
    self.number = number
    self.time = time
    self.bytes = bytes
  }
}
