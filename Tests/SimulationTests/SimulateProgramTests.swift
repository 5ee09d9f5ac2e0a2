import Foundation
import Testing

/// The program that goes on until somebody ends it: its end and what it refuses.
@Suite struct SimulateProgramTests {
  @Test(arguments: [
    "--seeds 0", "--minutes 0", "--minutes nan", "--frames 0", "--minimise=-1", "--steps 0-4",
    "--seed 1 --seeds 2", "--seed 1 --steps 4-0", "--seed 1 --steps ,", "--seed 1 --steps 999999",
    "--first", "17",
  ])
  func `arguments that mean nothing are refused`(line: String) async throws {
    let program = try Program(line)
    #expect(await program.status() == 64)
    #expect(program.errors.contains("Error: "))
  }

  @Test func `seeds that agree end with 0`() async throws {
    let program = try Program("--first 18446744073709551615 --seeds 2 --frames 20")
    #expect(await program.status() == 0)
    #expect(program.output.contains(/2 seeds, \d+ packets, \d+ s, no difference/))
  }

  /// Only who asked for more than was done has to know.
  @Test(
    arguments: [
      ("", SIGINT, 0), ("", SIGTERM, 0), ("--minutes 10", SIGINT, 130),
      ("--seeds 1000000", SIGTERM, 143),
    ] as [(String, Int32, Int32)])
  func `a signal ends it after the seed`(line: String, number: Int32, status: Int32) async throws {
    let program = try Program("\(line) --frames 20")
    try await program.wait { $0.isCatching(number) }
    program.signal(number)
    #expect(await program.status() == status)
    #expect(program.output.contains(/[1-9]\d* seeds, \d+ packets, \d+ s, no difference/))
    #expect(program.errors.contains(/seed \d+ is under way/))
  }

  /// One seed that goes on for minutes, as if the host hung.
  @Test func `a second signal does not wait for the seed`() async throws {
    let program = try Program("--frames 30000")
    try await program.wait { $0.isCatching(SIGINT) }
    program.signal(SIGINT)
    try await program.wait { !$0.isCatching(SIGINT) }
    program.signal(SIGINT)
    #expect(await program.status() == 128 + SIGINT)
    #expect(program.errors.contains("seed 1 is under way"))
  }

  @Test func `a crash names the seed`() async throws {
    let program = try Program("--first 41 --frames 30000")
    try await program.wait { $0.isCatching(SIGILL) }
    program.signal(SIGILL)
    #expect(await program.status() == 128 + SIGILL)
    #expect(program.errors.contains("seed 41 is under way"))
  }
}
