import ArgumentParser
import ControlAPI
import ControlProtocol
import Dispatch
import Glibc
import Synchronization

extension TopOrder: ExpressibleByArgument {}

/// `apus top`.
struct TopCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top",
    abstract: "Watch the busiest network interfaces of a running host, and what is dropped.",
    discussion: """
      On a terminal the screen is renewed until 'q' is pressed; p, b, d and c order by packets, \
      bits, drops and connections. Elsewhere, and with --json, each reading is printed: one after \
      the first interval unless --count says how many.

      Examples:

        apus top
        apus top --order drops --interval 5
        apus top --json --count 60 > minute.jsonl
      """)

  @Option(help: ArgumentHelp("Seconds between readings, 0.2 or more.", valueName: "seconds"))
  var interval = 1.0

  @Option(help: "What the interfaces are ordered by.")
  var order = TopOrder.packets

  @Option(help: ArgumentHelp("End after so many readings.", valueName: "number"))
  var count: Int?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Only these network interfaces.", valueName: "id"))
  var eni: [String] = []
  @OptionGroup var connection: ConnectionOptions

  func validate() throws {
    guard interval >= 0.2, interval <= 86_400 else {
      throw ValidationError("--interval \(interval): from 0.2 to 86400 seconds")
    }
    if let count, count < 1 { throw ValidationError("--count \(count): 1 or more") }
  }

  func run() async throws {
    let terminal = connection.json ? nil : TopTerminal()
    defer { terminal?.close() }
    let interrupt = Interrupt(catches: terminal != nil)
    let view = TopView(terminal: terminal, json: connection.json, order: order)
    let most = count ?? (terminal == nil ? 1 : .max)
    let request = Apus_V1_CountersRequest.with {
      $0.networkInterfaces = eni
      $0.omitRuleHits = true
    }
    let interval = interval
    try await connection.call { client in
      var last = try await client.counters(request)
      view.show(last, since: nil)
      for _ in 0..<most {
        if await view.isEnded(after: interval, interrupt) { return }
        let now = try await client.counters(request)
        view.show(now, since: last)
        last = now
      }
    }
  }
}

/// Shows readings, and takes keys.
private final class TopView: @unchecked Sendable {
  // Used by one task at a time, which awaits every call.
  private let terminal: TopTerminal?
  private let json: Bool
  private var order: TopOrder
  private var shown: (Apus_V1_CountersResponse, Apus_V1_CountersResponse?)?

  init(terminal: TopTerminal?, json: Bool, order: TopOrder) {
    self.terminal = terminal
    self.json = json
    self.order = order
  }

  func show(_ now: Apus_V1_CountersResponse, since last: Apus_V1_CountersResponse?) {
    shown = (now, last)
    let sample = TopSample(now, since: last, order: order)
    if let terminal {
      terminal.show(TopScreen(size: terminal.size, order: order).lines(sample))
    } else if last != nil {
      let text =
        json
        ? sample.json.line
        : TopScreen(size: nil, order: order).lines(sample).joined(separator: "\n")
      print(text)
      fflush(nil)
    }
  }

  /// Waits, and does what keys ask for meanwhile.
  ///
  /// - Returns: whether the user wants to leave.
  func isEnded(after seconds: Double, _ interrupt: Interrupt) async -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < end {
      if interrupt.hasCome { return true }
      if let key = terminal?.key() {
        if key == "q" || key == "\u{04}" { return true }
        if let wanted = TopOrder.allCases.first(where: { $0.rawValue.first == key }) {
          order = wanted
          if let shown { show(shown.0, since: shown.1) }
        }
      }
      let rest = ContinuousClock.now.duration(to: end)
      try? await Task.sleep(for: min(rest, .milliseconds(terminal == nil ? 1000 : 50)))
    }
    return interrupt.hasCome
  }
}

/// Whether the user pressed Ctrl-C, or the program was asked to end.
private final class Interrupt: @unchecked Sendable {
  /// Only kept; Dispatch's own threads use them.
  private let sources: [any DispatchSourceSignal]
  private let flag: Flag

  private final class Flag: Sendable {
    let isSet = Atomic(false)
  }

  /// - Parameter catches: leave time to give the terminal back; else the signals end the program.
  init(catches: Bool) {
    let flag = Flag()
    let signals = catches ? [SIGINT, SIGTERM, SIGHUP] : []
    sources = signals.map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { flag.isSet.store(true, ordering: .relaxed) }
      source.activate()
      return source
    }
    self.flag = flag
  }

  var hasCome: Bool { flag.isSet.load(ordering: .relaxed) }
}
