/// Texts as UTF-8 bytes in one piece of memory, so that writing one is a copy.
struct TextPool: ~Copyable {
  private let bytes: UnsafeMutablePointer<UInt8>
  private let starts: UnsafeMutablePointer<Int>
  let count: Int
  /// The length of the longest text in bytes.
  let longest: Int

  init(_ texts: [String]) {
    count = texts.count
    starts = .allocate(capacity: texts.count + 1)
    var total = 0
    var longest = 0
    for (index, text) in texts.enumerated() {
      (starts + index).initialize(to: total)
      total += text.utf8.count
      longest = max(longest, text.utf8.count)
    }
    (starts + texts.count).initialize(to: total)
    self.longest = longest
    bytes = .allocate(capacity: max(1, total))
    var position = 0
    for text in texts {
      for byte in text.utf8 {
        (bytes + position).initialize(to: byte)
        position += 1
      }
    }
  }

  deinit {
    bytes.deallocate()
    starts.deallocate()
  }

  /// Copies a text to `destination`; returns the place behind it.
  @inline(__always)
  func copy(_ index: Int, to destination: UnsafeMutablePointer<UInt8>)
    -> UnsafeMutablePointer<UInt8>
  {
    precondition(index >= 0 && index < count)
    let start = starts[index]
    let length = starts[index + 1] - start
    destination.update(from: bytes + start, count: length)
    return destination + length
  }
}
