import FuzzSupport
import VPCModel

extension FuzzTarget {
  /// Model files: refused with reasons, or a model that can be written and read again as it is, and
  /// that passes the lint.
  public static let model = FuzzTarget("model", maximumLength: 4_096) {
    { input in
      let text = String(decoding: input, as: UTF8.self)
      guard let model = load(text) else { return nil }
      _ = ModelLint.warnings(model)
      let written = ModelTarget.json(model)
      guard let again = load(written) else { return "what was written is refused: \(written)" }
      return again == model ? nil : "read again it is another: \(written)"
    }
  }

  private static func load(_ text: String) -> VPCModel? {
    do { return try ModelLoader.load(texts: [(name: "fuzzed", text: text)]) } catch { return nil }
  }
}

enum ModelTarget {
  /// A document with all objects of a model.
  static func json(_ model: VPCModel) -> String {
    let sections = ModelSection.allCases.compactMap { section -> String? in
      let objects = model.objects(in: section).map { ModelWriter.json($0) }
      if objects.isEmpty { return nil }
      let isSingle = section == .host || section == .policy
      let value = isSingle ? objects[0] : "[" + objects.joined(separator: ",") + "]"
      return "\"\(section.rawValue)\":\(value)"
    }
    return "{" + (["\"version\":1"] + sections).joined(separator: ",") + "}"
  }
}
