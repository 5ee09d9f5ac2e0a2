import Glibc
import VPCModel
import Wire

/// What an import made of the files.
public struct ImportResult: Sendable {
  /// Nil when the import is refused; the findings say why.
  public var model: VPCModel?
  /// In order of file and line.
  public var findings: [Finding]

  /// The model as a file; nil when the import is refused. Host and policy are for a file of the
  /// user's own.
  public var document: String? {
    model.map { ModelWriter.document($0, without: [.host, .policy]) }
  }

  public var hasErrors: Bool { findings.contains { $0.severity == .error } }
}

/// Makes a model of what the AWS command line prints of an account, or of Terraform's state.
///
/// Sources of what AWS means: the Amazon VPC user guide and the Amazon EC2 API reference.
public enum AWSImport {
  /// Reads files.
  ///
  /// - Parameter paths: files, or folders whose files are read. A file is known by what is in it.
  /// - Complexity: O(n log n) in the size of the files; memory for one file at a time, and for what
  ///   is kept of all.
  public static func read(
    paths: [String], options: AWSImportOptions = AWSImportOptions()
  ) -> ImportResult {
    var inventory = Inventory()
    for path in InputFiles.list(paths, &inventory.findings) {
      read(InputFiles.read(path.path, path.index, &inventory.findings), path, &inventory)
    }
    return result(inventory, options)
  }

  /// Reads texts.
  ///
  /// - Parameter texts: documents, with the names that findings shall give them.
  public static func read(
    texts: [(name: String, text: String)], options: AWSImportOptions = AWSImportOptions()
  ) -> ImportResult {
    var inventory = Inventory()
    for (index, text) in texts.enumerated() {
      inventory.findings.files.append(text.name)
      let path = InputFiles.Path(path: text.name, index: index, isNamed: true)
      read(Array(text.text.utf8), path, &inventory)
    }
    return result(inventory, options)
  }

  private static func read(
    _ bytes: [UInt8]?, _ path: InputFiles.Path, _ inventory: inout Inventory
  ) {
    guard let bytes else { return }
    let place = Place(file: path.index, line: 1, column: 1, path: nil)
    guard let first = bytes.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }) else {
      inventory.findings.add(
        .unreadable, place, "is empty: did the command that wrote it fail?")
      return
    }
    // What else lies in a folder is no matter, if neither its name nor its text say JSON.
    if !path.isNamed, first != UInt8(ascii: "{"), !path.path.hasSuffix(".json") {
      inventory.findings.add(.unused, place, "is no JSON, and not read")
      return
    }
    let name = path.path.split(separator: "/").last ?? ""
    var reader = DocumentReader(inventory, file: path.index, name: name)
    inventory = Inventory()
    do throws(JSONSyntaxError) {
      try JSONItems.read(bytes, file: path.index, by: &reader)
      reader.finish()
    } catch {
      let place = Place(file: path.index, line: error.line, column: error.column, path: nil)
      reader.inventory.findings.add(
        .unreadable, place, "column \(error.column): \(error.reason)")
    }
    inventory = reader.inventory
  }

  private static func result(
    _ inventory: consuming Inventory, _ options: AWSImportOptions
  ) -> ImportResult {
    if inventory.findings.hasErrors {
      return ImportResult(model: nil, findings: inventory.findings.inOrder)
    }
    var builder = ModelBuilder(inventory, options)
    builder.build()
    if !builder.findings.hasErrors { builder.check() }
    let findings = builder.findings.inOrder
    return ImportResult(
      model: builder.findings.hasErrors ? nil : builder.model, findings: findings)
  }
}

extension ModelBuilder {
  /// Has the loader check the model as it will check the file, and says of each error where it
  /// comes from.
  mutating func check() {
    do throws(ModelErrors) {
      model = try ModelLoader.load(
        texts: [(name: "model", text: ModelWriter.document(model))])
    } catch {
      for error in error.errors {
        let object = object(of: error.path)
        let place = object.flatMap { origins[$0] } ?? .none
        findings.add(.refused, place, id: object?.id ?? "", error.reason)
      }
    }
  }

  /// The object that a path such as `subnets[3].cidrs[0]` is in.
  private func object(of path: String) -> ModelObjectName? {
    let parts = path.split(whereSeparator: { $0 == "[" || $0 == "]" || $0 == "." })
    guard parts.count >= 2, let section = ModelSection(rawValue: String(parts[0])),
      let index = Int(parts[1])
    else { return nil }
    let objects = model.objects(in: section)
    return objects.indices.contains(index) ? objects[index].name : nil
  }
}
