import Foundation
import Testing

@testable import VPCModel

@Suite struct SchemaTests {
  private func schema() throws -> [String: Any] {
    let parsed = try JSONSerialization.jsonObject(with: Data(ModelSchema.json.utf8))
    return try #require(parsed as? [String: Any])
  }

  @Test func hasTheFieldsThatTheLoaderAccepts() throws {
    let schema = try schema()
    let definitions = try #require(schema["$defs"] as? [String: [String: Any]])
    for kind in ObjectFields.kinds {
      let object = try #require(kind.name.isEmpty ? schema : definitions[kind.name])
      let properties = try #require(object["properties"] as? [String: Any])
      #expect(Set(properties.keys) == Set(kind.all), "\(kind.name)")
      #expect(Set(object["required"] as? [String] ?? []) == Set(kind.required), "\(kind.name)")
      #expect(object["additionalProperties"] as? Bool == false, "\(kind.name)")
    }
    let objects = definitions.filter { $0.value["properties"] != nil }.keys
    #expect(Set(objects) == Set(ObjectFields.kinds.map(\.name)).subtracting([""]))
  }

  @Test func describesEveryField() throws {
    let schema = try schema()
    let definitions = try #require(schema["$defs"] as? [String: [String: Any]])
    for object in [schema] + definitions.values {
      #expect(object["description"] is String)
      for (name, property) in object["properties"] as? [String: [String: Any]] ?? [:] {
        #expect(property["description"] is String, "\(name)")
      }
    }
  }

  @Test func everyReferenceIsDefined() throws {
    let definitions = try #require(try schema()["$defs"] as? [String: Any])
    let references = ModelSchema.json.matches(of: #/"#\/\$defs\/(\w+)"/#).map { String($0.1) }
    #expect(references.count > 50)
    #expect(Set(references).isSubset(of: definitions.keys))
  }
}
