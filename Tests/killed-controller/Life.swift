import Controller
import ControllerTestSupport
import Foundation

/// Changes from the start of a process to its end.
struct Life {
  let controller: Controller
  private var number = 0
  private let caller = Rules.administrator

  init(controller: Controller) {
    self.controller = controller
  }

  private func say(_ text: String) {
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
  }

  func fail(_ text: String) -> Never {
    say("wrong \(text)")
    exit(1)
  }

  private func present() async throws -> ObjectList {
    try await controller.objects(.prefixLists, ids: [], by: caller)
  }

  /// Looks at what the process before left.
  mutating func begin(_ storage: ControllerStorage) async throws {
    try await controller.start()
    let before = try await present()
    guard let found = NumberedChange.number(of: before), storage.warnings.isEmpty else {
      fail("mixed \(before.items.map(\.json)) \(storage.warnings)")
    }
    number = found
    say("start \(before.generation) \(number)")
  }

  /// Applies the next change.
  mutating func change() async throws {
    let present = Set(try await present().items.map(\.reference.id))
    say("begin \(number + 1)")
    let outcome = try await controller.apply(
      NumberedChange.request(number + 1, present: present), by: caller)
    number += 1
    say("acknowledged \(outcome.generation) \(number)")
  }

  /// Applies changes until one is refused; the data plane must then have the one before it.
  mutating func changeUntilRefused(_ dataPlane: FakeDataPlane) async throws {
    for _ in 0..<5000 {
      let request = NumberedChange.request(
        number + 1, present: number == 0 ? [] : NumberedChange.ids(number))
      do throws(ControlError) {
        _ = try await controller.apply(request, by: caller)
        number += 1
      } catch {
        guard case .unavailable(let why, let advice) = error else { fail("\(error)") }
        say("refused \(why) (\(advice)) after \(number)")
        let lists = await dataPlane.published.last?.model.prefixLists ?? []
        let expected = number == 0 ? [] : NumberedChange.ids(number)
        if Set(lists.map(\.id)) != expected { fail("the data plane has \(lists)") }
        return
      }
    }
    fail("nothing was refused")
  }
}
