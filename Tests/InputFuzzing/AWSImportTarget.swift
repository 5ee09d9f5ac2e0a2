import AWSImport
import FuzzSupport
import VPCModel

extension FuzzTarget {
  /// Documents that the AWS command line or Terraform printed, with NUL between them: refused with
  /// the place of what is wrong, or a model that its file is read as.
  public static let awsImport = FuzzTarget("aws-import", maximumLength: 8_192) {
    { AWSImportTarget.fault($0) }
  }
}

enum AWSImportTarget {
  /// Documents of one input; more of them say nothing new.
  private static let mostDocuments = 24

  static func fault(_ input: UnsafeRawBufferPointer) -> String? {
    let texts = input.split(separator: 0, maxSplits: mostDocuments - 1).enumerated().map {
      (name: "\($0.offset).json", text: String(decoding: $0.element, as: UTF8.self))
    }
    if texts.isEmpty { return nil }
    let lenient = read(texts, allowsMissing: true)
    if let fault = faultOfFindings(lenient, texts) { return fault }
    guard let model = lenient.model, let document = lenient.document else { return nil }
    return faultOfDocument(document, model) ?? faultOfOrder(texts, document)
      ?? faultOfStrictness(texts, lenient)
  }

  private static func read(
    _ texts: [(name: String, text: String)], allowsMissing: Bool
  ) -> ImportResult {
    var options = AWSImportOptions()
    options.allowMissing = allowsMissing
    return AWSImport.read(texts: texts, options: options)
  }

  /// Refused exactly if there is an error, and everything told has a place in the files.
  private static func faultOfFindings(
    _ result: ImportResult, _ texts: [(name: String, text: String)]
  ) -> String? {
    if (result.model == nil) != result.hasErrors {
      return "refused without an error, or not refused with one"
    }
    for finding in result.findings {
      guard let text = texts.first(where: { $0.name == finding.file }) else {
        return "a file that is none: \(finding)"
      }
      let lines = text.text.utf8.count { $0 == UInt8(ascii: "\n") } + 1
      if !(1...lines).contains(finding.line) { return "a line that is none: \(finding)" }
      if !isOneLine(finding.description) { return "more than a line of text: \(finding.json)" }
    }
    return nil
  }

  private static func faultOfDocument(_ document: String, _ model: VPCModel) -> String? {
    _ = ModelLint.warnings(model)
    do {
      let again = try ModelLoader.load(texts: [(name: "imported", text: document)])
      return again == model ? nil : "the file is read as another model: \(document)"
    } catch { return "the file is refused: \(error): \(document)" }
  }

  /// Neither the order of files nor the same one twice is any matter.
  private static func faultOfOrder(
    _ texts: [(name: String, text: String)], _ document: String
  ) -> String? {
    let reversed = read(texts.reversed(), allowsMissing: true)
    if reversed.document != document { return "another model of the files in another order" }
    let twice = read(texts + texts.map { ("again-" + $0.name, $0.text) }, allowsMissing: true)
    return twice.document == document ? nil : "another model of each file twice"
  }

  /// What is let pass although something is missing is told of each.
  private static func faultOfStrictness(
    _ texts: [(name: String, text: String)], _ lenient: ImportResult
  ) -> String? {
    let strict = read(texts, allowsMissing: false)
    let lacks = lenient.findings.contains { $0.code == .missing }
    if lacks != strict.hasErrors { return "missing: \(lacks), refused: \(strict.hasErrors)" }
    return lacks || strict.document == lenient.document ? nil : "strict makes another model"
  }

  static func isOneLine(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
  }
}
