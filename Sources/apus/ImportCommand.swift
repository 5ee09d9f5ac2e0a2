import AWSImport
import ArgumentParser
import Glibc
import VPCModel
import Wire

/// `apus import`.
struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make a model of the rules that another system has.",
    discussion: """
      Example:

        apus import aws account/ --output vpc.yaml
      """,
    subcommands: [ImportAWSCommand.self])
}

/// `apus import aws`.
struct ImportAWSCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "aws",
    abstract: "Make a model of what 'aws ec2 describe-…' or 'terraform show -json' printed.",
    discussion: """
      Files are known by what is in them, not by their names; of a folder all files are read. \
      What the model cannot say is listed on standard error. Where something is missing that would \
      change verdicts, the import is refused.

      Example:

        mkdir account
        for what in vpcs subnets network-interfaces security-groups \\
            network-acls route-tables internet-gateways; do
          aws ec2 describe-$what --output json > account/$what.json
        done
        apus import aws account --output vpc.yaml
        apus replay --rules vpc.yaml capture.pcap

      docs/aws-import.md has the whole list of calls.

      Exit code 0: done; 2: wrong usage; 3: the input is refused; 4: a file cannot be read; \
      5: the output cannot be written.
      """)

  @Option(
    help: ArgumentHelp("Write the model here; '-' is standard output.", valueName: "file"))
  var output = "-"

  @Flag(help: "Print what there is to say as JSON on standard output; needs --output.")
  var json = false

  @Flag(
    help:
      "Go on where something is missing that would change verdicts: it then allows nothing.")
  var allowMissing = false

  @Option(
    help: ArgumentHelp(
      "The host that stands for internet gateways on the underlay; AWS shows none.",
      valueName: "address"))
  var gatewayHost = "192.0.2.254"

  @Argument(help: ArgumentHelp("Files, or folders of files.", valueName: "file"))
  var files: [String]

  func run() throws {
    guard !json || output != "-" else {
      throw CommandFailure(
        .usage, what: "--json", why: "the model would go to standard output too",
        advice: "give --output FILE")
    }
    guard let host = IPAddress(gatewayHost) else {
      throw CommandFailure(
        .usage, what: "--gateway-host \(gatewayHost)", why: "is not an IP address")
    }
    var options = AWSImportOptions()
    options.allowMissing = allowMissing
    options.gatewayHost = host
    let result = AWSImport.read(paths: files, options: options)
    if json { print(Self.report(result)) } else { Self.tell(result) }
    guard let document = result.document else { throw CommandFailure(Self.code(result), []) }
    try TextOutput.write(document, to: output)
  }

  /// The exit code of an import that is refused.
  static func code(_ result: ImportResult) -> ApusExit {
    result.findings.contains { $0.code == .unreadable } ? .input : .refused
  }

  /// As many lines of a kind as people read; `--json` has all.
  static let mostLines = 200

  private static func tell(_ result: ImportResult) {
    for severity in [Finding.Severity.note, .warning, .error] {
      let findings = result.findings.filter { $0.severity == severity }
      for finding in findings.prefix(mostLines) { ErrorReport.line("\(finding)") }
      if findings.count > mostLines {
        ErrorReport.line(
          "\(severity.rawValue): \(findings.count - mostLines) more like these, see --json")
      }
    }
    guard result.model == nil else { return }
    let onlyMissing = result.findings.allSatisfy { $0.severity != .error || $0.code == .missing }
    ErrorReport.line(
      "nothing is written"
        + (onlyMissing ? " (--allow-missing goes on: what is missing then allows nothing)" : ""))
  }

  /// One JSON object: `imported`, `counts` by section, `findings`.
  static func report(_ result: ImportResult) -> String {
    var object = JSONObject()
    object.add("imported", result.model != nil)
    var counts = JSONObject()
    if let model = result.model {
      for section in ModelSection.allCases where section != .host && section != .policy {
        counts.add(section.rawValue, model.objects(in: section).count)
      }
    }
    object.add("counts", raw: counts.closed)
    let findings = result.findings.map(\.json)
    let list = findings.isEmpty ? "[]" : "[\n\(findings.joined(separator: ",\n"))]"
    object.add("findings", raw: list)
    return object.closed
  }
}

/// Text that goes to a file or to standard output.
enum TextOutput {
  static func write(_ text: String, to path: String) throws(CommandFailure) {
    let isFile = path != "-"
    let descriptor =
      isFile ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644) : STDOUT_FILENO
    guard descriptor >= 0 else { throw failure(path) }
    var text = text
    let isWritten = text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)[...]
      while !rest.isEmpty {
        let count = Glibc.write(descriptor, Array(rest.prefix(1 << 20)), min(rest.count, 1 << 20))
        if count <= 0 { return false }
        rest = rest.dropFirst(count)
      }
      return true
    }
    guard isWritten else {
      let failure = failure(path)
      if isFile { close(descriptor) }
      throw failure
    }
    if isFile && close(descriptor) != 0 { throw failure(path) }
  }

  private static func failure(_ path: String) -> CommandFailure {
    CommandFailure(
      .resource, what: path, why: "cannot be written: \(String(cString: strerror(errno)))",
      advice: "check the folder, its permissions and its free space, 'df -h'")
  }
}
