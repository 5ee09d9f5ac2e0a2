import Testing
import Wire

@Suite struct DropReasonTests {
  @Test func `names are unique and lead back`() {
    #expect(Set(DropReason.allCases.map(\.name)).count == DropReason.allCases.count)
    for reason in DropReason.allCases {
      #expect(DropReason(name: reason.name) == reason)
      #expect(!reason.text.isEmpty)
    }
    #expect(DropReason(name: "no.such") == nil)
  }

  @Test func `counter arrays have room for every reason`() {
    #expect(DropReason.allCases.allSatisfy { $0.rawValue < 64 })
  }
}
