/// Reads the text form of OpenMetrics 1.0.0 strictly, as far as Apus uses it.
struct OpenMetricsParser {
  struct Family: Equatable {
    var type = ""
    var unit = ""
    var help = ""
    var samples: [Sample] = []
  }
  struct Sample: Equatable {
    var name: String
    var labels: [String: String]
    var value: Double
  }
  struct Fault: Error, CustomStringConvertible {
    var description: String
  }

  private(set) var families: [String: Family] = [:]
  private var current = ""

  init(_ text: String) throws {
    guard text.hasSuffix("# EOF\n") else { throw Fault(description: "does not end with # EOF") }
    let lines = text.dropLast("# EOF\n".count).split(
      separator: "\n", omittingEmptySubsequences: false)
    guard lines.last == "" else { throw Fault(description: "last line has no end") }
    for line in lines.dropLast() {
      do { try read(line) } catch let fault as Fault {
        throw Fault(description: "\(fault.description): \(line)")
      }
    }
    for (name, family) in families where family.type.isEmpty || family.help.isEmpty {
      throw Fault(description: "\(name) has no type or help")
    }
  }

  func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
    for family in families.values {
      if let sample = family.samples.first(where: { $0.name == name && $0.labels == labels }) {
        return sample.value
      }
    }
    return nil
  }

  private mutating func read(_ line: Substring) throws {
    guard line.hasPrefix("#") else { return try readSample(line) }
    let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "#" else { throw Fault(description: "no metadata") }
    let name = String(parts[2])
    guard Self.isName(name) else { throw Fault(description: "no name") }
    let value = String(parts[3])
    switch parts[1] {
    case "TYPE":
      guard families[name] == nil else { throw Fault(description: "family twice") }
      guard ["counter", "gauge", "info"].contains(value) else { throw Fault(description: "type") }
      guard !name.hasSuffix("_total"), !name.hasSuffix("_info") else {
        throw Fault(description: "a family's name has no suffix")
      }
      families[name] = Family(type: value)
      current = name
    case "UNIT":
      guard name == current, families[name]?.samples.isEmpty == true, name.hasSuffix("_\(value)")
      else { throw Fault(description: "unit") }
      families[name]?.unit = value
    case "HELP":
      guard name == current, families[name]?.samples.isEmpty == true else {
        throw Fault(description: "help")
      }
      families[name]?.help = value
    default: throw Fault(description: "unknown metadata")
    }
  }

  private mutating func readSample(_ line: Substring) throws {
    guard let family = families[current] else { throw Fault(description: "no family") }
    let name = String(line.prefix { $0 != "{" && $0 != " " })
    let suffix = ["counter": "_total", "info": "_info"][family.type] ?? ""
    guard name == current + suffix else { throw Fault(description: "not of \(current)") }
    var rest = line.dropFirst(name.count)
    let labels = try Self.readLabels(&rest)
    guard rest.first == " ", let value = Double(rest.dropFirst()), value >= 0 else {
      throw Fault(description: "no value")
    }
    let sample = Sample(name: name, labels: labels, value: value)
    guard !family.samples.contains(where: { $0.labels == labels }) else {
      throw Fault(description: "sample twice")
    }
    families[current]?.samples.append(sample)
  }

  private static func readLabels(_ rest: inout Substring) throws -> [String: String] {
    var labels: [String: String] = [:]
    guard rest.first == "{" else { return labels }
    repeat {
      rest.removeFirst()
      let name = String(rest.prefix { $0 != "=" })
      guard isName(name), labels[name] == nil else { throw Fault(description: "label \(name)") }
      rest = rest.dropFirst(name.count + 1)
      guard rest.popFirst() == "\"" else { throw Fault(description: "no quote") }
      var value = ""
      while let character = rest.popFirst(), character != "\"" {
        guard character == "\\" else {
          value.append(character)
          continue
        }
        switch rest.popFirst() {
        case "\\": value.append("\\")
        case "\"": value.append("\"")
        case "n": value.append("\n")
        default: throw Fault(description: "escape")
        }
      }
      labels[name] = value
    } while rest.first == ","
    guard rest.popFirst() == "}" else { throw Fault(description: "labels have no end") }
    return labels
  }

  private static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, first != 0x5F, !(0x30...0x39).contains(first) else {
      return false
    }
    return text.unicodeScalars.allSatisfy {
      $0.isASCII && ($0.properties.isAlphabetic || "_0123456789".unicodeScalars.contains($0))
    }
  }
}
