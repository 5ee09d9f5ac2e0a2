/// A function that an instruction belongs to, and the source file of its line.
struct SourceFrame: Equatable {
  /// As the linker knows it.
  var function: String
  /// Its path below the project's folder when it is one of ours, such as
  /// `Sources/Datapath/Egress.swift`; else as the compiler noted it.
  var file: String

  init(function: String, place: String) {
    self.function = function
    let path = place.prefix { $0 != ":" }
    if let start = path.range(of: "Sources/") {
      file = String(path[start.lowerBound...])
    } else {
      file = String(path)
    }
  }

  /// The module of a Swift function, its type, and its name where that is spelled out, such as
  /// `Tables`, `FlowTable` and `insert`; empty of others.
  ///
  /// Of a mangled name only the beginning is read: `$s`, then names with their lengths before them,
  /// after the type's a letter for its kind (Swift's ABI/Mangling.rst).
  var names: [String] {
    guard function.hasPrefix("$s") else { return [] }
    var rest = function.dropFirst(2)
    var names: [String] = []
    while names.count < 3 {
      if names.count == 2 { rest = rest.dropFirst() }
      let digits = rest.prefix { $0.isNumber }
      // A zero says that words of earlier names are part of this one.
      guard !digits.hasPrefix("0"), let length = Int(digits), length <= rest.count - digits.count
      else { break }
      rest = rest.dropFirst(digits.count)
      names.append(String(rest.prefix(length)))
      rest = rest.dropFirst(length)
    }
    return names.count < 2 ? [] : names
  }

  /// The stage whose file this is: `Egress` of `Sources/Datapath/Egress.swift`.
  var stage: String? { name(in: "Sources/Datapath/") }

  /// The table whose file this is, of those that are not inlined.
  var table: String? { name(in: "Sources/Tables/") }

  private func name(in folder: String) -> String? {
    guard file.hasPrefix(folder), file.hasSuffix(".swift") else { return nil }
    return String(file.dropFirst(folder.count).dropLast(6))
  }
}
