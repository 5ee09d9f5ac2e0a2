import AWSImport
import Foundation
import TestPackets
import Testing
import VPCModel
import Wire

/// Input that is cut, wrong, partial, contradictory or huge.
@Suite struct HostileTests {
  static func read(_ texts: [(name: String, text: String)], missing: Bool = false) -> ImportResult {
    var options = AWSImportOptions()
    options.allowMissing = missing
    return AWSImport.read(texts: texts, options: options)
  }

  static func findings(_ text: String) -> [String] {
    read([(name: "f.json", text: text)]).findings.map { "\($0.code.rawValue) \($0)" }
  }

  // MARK: What is no JSON

  @Test(arguments: ["", "  \n", "[]", "3", "\"x\"", "{}", #"{"Users":[]}"#, #"{"Vpc":{}}"#])
  func whatIsNoDescribeOutputIsUnreadable(_ text: String) {
    let result = Self.read([(name: "f.json", text: text)])
    #expect(result.model == nil)
    #expect(result.findings.first { $0.severity == .error }?.code == .unreadable)
    #expect(result.findings.allSatisfy { $0.file == "f.json" })
  }

  @Test func everyCutIsSeen() throws {
    let account = Account.base()
    let text = try #require(account.texts.first { $0.name == "SecurityGroups.json" }?.text)
    #expect(account.read().model != nil)
    for length in 0..<text.utf8.count {
      let cut = String(decoding: text.utf8.prefix(length), as: UTF8.self)
      let texts = account.texts.map { $0.name == "SecurityGroups.json" ? ($0.name, cut) : $0 }
      let result = Self.read(texts, missing: true)
      #expect(result.model == nil, "cut after \(length) bytes")
      let errors = result.findings.filter { $0.severity == .error }
      #expect(errors.contains { $0.code == .unreadable && $0.file == "SecurityGroups.json" })
    }
  }

  @Test func cutsSayWhere() {
    let text = "{\n  \"Vpcs\": [\n    {\"VpcId\": \"vpc-1\","
    #expect(
      Self.findings(text) == [
        "unreadable error: f.json:3: column 23: ends in the middle of the JSON document: it was cut"
      ])
  }

  @Test func deepNestingIsRefused() {
    let text = #"{"Vpcs":"# + String(repeating: "[", count: 100_000)
    #expect(Self.findings(text).first?.contains("nests deeper than") == true)
    let skipped = #"{"Other":"# + String(repeating: #"{"a":"#, count: 100_000)
    #expect(Self.findings(skipped).first?.contains("nests deeper than") == true)
  }

  @Test func invalidTextIsRefused() throws {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "apus-aws-\(UUID().uuidString).json").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let bytes = Array(#"{"Vpcs":[{"VpcId":"v"#.utf8) + [0xFF, 0xFE] + Array(#""}]}"#.utf8)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    let result = AWSImport.read(paths: [path])
    #expect(result.findings.map(\.code) == [.unreadable])
  }

  @Test func escapesOfTwoUnitsAreOneCharacter() {
    let tag = #""Tags":[{"Key":"Name","Value":"\ud83d\ude80"}]"#
    var account = Account.base()
    account["Vpcs"][0] = account["Vpcs"][0].replacing("{\"VpcId\"", with: "{\(tag),\"VpcId\"")
    #expect(account.read().model != nil)
    account["Vpcs"][0] = account["Vpcs"][0].replacing(#"\ude80"#, with: "")
    #expect(account.read().findings.map(\.code) == [.unreadable])
  }

  /// A name in the files is shown with nothing in it that a terminal would obey.
  @Test func namesStayOnTheirLine() {
    let text = #"{"Subnets":[],"Next\n\u001b[2JTok":""}"#
    let result = Self.read([(name: "f\n.json", text: text)], missing: true)
    let unused = result.findings.first { $0.code == .unused }
    #expect(unused?.path == "Next\n\u{1B}[2JTok" && unused?.file == "f\n.json")
    #expect(unused?.description.hasPrefix("note: f?.json:1: Next??[2JTok: ") == true)
    let told = result.findings.map(\.description).joined()
    #expect(told.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
  }

  // MARK: Wrong types

  /// One change of the base that must be refused, at a JSON place.
  static let wrong: [(section: String, old: String, new: String, place: String)] = [
    ("Vpcs", #""VpcId":"vpc-1""#, #""VpcId":7"#, "Vpcs[0].VpcId"),
    (
      "Vpcs", #"10.0.0.0/16","CidrBlockState"#, #"10.0.0.0/99","CidrBlockState"#,
      "Vpcs[0].CidrBlockAssociationSet[0].CidrBlock"
    ),
    (
      "Vpcs", #"10.0.0.0/16","CidrBlockState"#, #"::/0","CidrBlockState"#,
      "Vpcs[0].CidrBlockAssociationSet[0].CidrBlock"
    ),
    ("Subnets", #""VpcId":"vpc-1","#, "", "Subnets[0]"),
    ("Subnets", "10.0.1.0/24", #"10.0.1.0/24\u0000x"#, "Subnets[0].CidrBlock"),
    ("NetworkInterfaces", "0a:00", "zz:00", "NetworkInterfaces[0].MacAddress"),
    ("NetworkInterfaces", "0a:00", "01:00", "NetworkInterfaces[0].MacAddress"),
    ("NetworkInterfaces", #""Groups":[{"#, #""Groupz":[{"#, "NetworkInterfaces[0]"),
    (
      "NetworkInterfaces", #"Check":true"#, #"Check":"true""#,
      "NetworkInterfaces[0].SourceDestCheck"
    ),
    (
      "NetworkInterfaces", "10.0.1.10", "10.0.1.10.1",
      "NetworkInterfaces[0].PrivateIpAddresses[0].PrivateIpAddress"
    ),
    (
      "SecurityGroups", #""IpPermissions":[]"#, #""IpPermissions":{}"#,
      "SecurityGroups[0].IpPermissions"
    ),
    ("SecurityGroups", #""IpPermissions":[],"#, "", "SecurityGroups[0]"),
    (
      "SecurityGroups", #"Protocol":"-1""#, #"Protocol":"ftp""#,
      "SecurityGroups[0].IpPermissionsEgress[0].IpProtocol"
    ),
    (
      "SecurityGroups", #"Protocol":"-1""#, #"Protocol":"256""#,
      "SecurityGroups[0].IpPermissionsEgress[0].IpProtocol"
    ),
    (
      "SecurityGroups", #"Protocol":"-1""#, #"Protocol":"tcp","FromPort":90,"ToPort":80"#,
      "SecurityGroups[0].IpPermissionsEgress[0]"
    ),
    (
      "SecurityGroups", #"Protocol":"-1""#,
      #"Protocol":"tcp","FromPort":1,"ToPort":99999999999999999999"#,
      "SecurityGroups[0].IpPermissionsEgress[0].ToPort"
    ),
    (
      "SecurityGroups", #"Protocol":"-1""#, #"Protocol":"icmp","FromPort":-1,"ToPort":3"#,
      "SecurityGroups[0].IpPermissionsEgress[0]"
    ),
    (
      "NetworkAcls", #""Protocol":"-1""#, #""Protocol":"6""#, "NetworkAcls[0].Entries[0]"
    ),
    (
      "SecurityGroups", #"Protocol":"-1""#, #"Protocol":"udp""#,
      "SecurityGroups[0].IpPermissionsEgress[0]"
    ),
    (
      "NetworkAcls", #""RuleNumber":100"#, #""RuleNumber":0"#,
      "NetworkAcls[0].Entries[0].RuleNumber"
    ),
    (
      "NetworkAcls", #""RuleNumber":100"#, #""RuleNumber":1e9"#,
      "NetworkAcls[0].Entries[0].RuleNumber"
    ),
    ("NetworkAcls", #"Action":"allow""#, #"Action":"maybe""#, "NetworkAcls[0].Entries[0]"),
    ("NetworkAcls", #""RuleNumber":100"#, #""RuleNumber":32767"#, "NetworkAcls[0].Entries[0]"),
    ("RouteTables", #""GatewayId":"local""#, #""WarpGateId":"w-1""#, "RouteTables[0].Routes[0]"),
    ("RouteTables", #""RouteTableId":"rtb-main","#, "", "RouteTables[0]"),
    (
      "InternetGateways", #""VpcId":"vpc-1""#, #""VpcId":"../x""#,
      "InternetGateways[0].Attachments[0].VpcId"
    ),
  ]

  @Test(arguments: wrong.indices)
  func wrongFieldsAreRefusedAtTheirPlace(_ index: Int) throws {
    let (section, old, new, place) = Self.wrong[index]
    var account = Account.base()
    let item = account[section][0]
    let range = try #require(item.firstRange(of: old), "\(item)")
    account[section][0] = item.replacingCharacters(in: range, with: new)
    account.options.allowMissing = true
    let result = account.read()
    #expect(result.model == nil)
    let error = try #require(result.findings.first { $0.code == .malformed }, "\(result.findings)")
    #expect(error.path == place)
    #expect(error.file == "\(section).json")
  }

  @Test func sectionsMustBeLists() {
    #expect(Self.findings(#"{"Vpcs":3}"#).first?.contains("malformed") == true)
    #expect(Self.findings(#"{"Vpcs":[3]}"#).first?.contains("Vpcs[0]: must be an object") == true)
    // Some tools write null for an empty list.
    let result = Self.read([(name: "f.json", text: #"{"Vpcs":null}"#)])
    #expect(result.model != nil)
  }

  // MARK: Contradictions

  @Test func theSameTwiceIsOnce() throws {
    let account = Account.base()
    let twice = Self.read(account.texts + account.texts)
    #expect(twice.document == account.read().document)
    #expect(twice.document != nil)
  }

  @Test(arguments: [
    ("SecurityGroups", "0.0.0.0/0", "10.0.0.0/8"), ("Subnets", "10.0.1.0/24", "10.0.3.0/24"),
    ("NetworkInterfaces", "10.0.1.10", "10.0.1.11"), ("RouteTables", "local", "igw-1"),
    ("Vpcs", "10.0.0.0/16", "10.1.0.0/16"), ("NetworkAcls", "allow", "deny"),
  ])
  func anotherWithTheSameIDIsAConflict(_ section: String, _ old: String, _ new: String) throws {
    let account = Account.base()
    var other = Account.base()
    other[section] = other[section].map { $0.replacing(old, with: new) }
    let text = try #require(other.texts.first { $0.name == "\(section).json" }?.text)
    let result = Self.read(account.texts + [(name: "later.json", text: text)], missing: true)
    #expect(result.model == nil)
    let conflict = try #require(result.findings.first { $0.code == .conflict })
    #expect(conflict.file == "later.json" && conflict.reason.contains("\(section).json:1"))
  }

  @Test func rulesThatTheGroupDoesNotHaveAreAConflict() {
    var account = Account.base()
    account["SecurityGroupRules"] = [
      #"""
      {"SecurityGroupRuleId":"sgr-1","GroupId":"sg-web","IsEgress":false,"IpProtocol":"tcp",
      "FromPort":22,"ToPort":22,"CidrIpv4":"0.0.0.0/0"}
      """#
    ]
    #expect(account.read().findings.filter { $0.severity == .error }.map(\.code) == [.conflict])
  }

  @Test func overlappingSubnetsAreRefusedWhereTheyStand() throws {
    var account = Account.base()
    account["Subnets"].append(Shape.subnet("subnet-z", Account.vpc, "10.0.1.128/25"))
    let refused = try #require(account.read().findings.first { $0.code == .refused })
    #expect(refused.path == "Subnets[2]" && refused.id == "subnet-z")
  }

  // MARK: What is missing

  @Test(arguments: [
    "Vpcs", "Subnets", "SecurityGroups", "NetworkAcls", "RouteTables", "InternetGateways",
  ])
  func whatIsMissingIsAnErrorWithACall(_ section: String) throws {
    var account = Account.base()
    account[section] = []
    let result = account.read()
    #expect(result.model == nil)
    let errors = result.findings.filter { $0.severity == .error }
    #expect(!errors.isEmpty && errors.allSatisfy { $0.code == .missing })
    #expect(errors.allSatisfy { $0.reason.contains("aws ec2 describe-") })
    account.options.allowMissing = true
    #expect(account.read().findings.allSatisfy { $0.severity != .error })
  }

  @Test func missingGroupsAllowNothing() throws {
    var account = Account.groups(
      web: [Shape.permission("-1", from: ["sg-gone", "0.0.0.0/0"])], webEgress: [Shape.allowAll])
    account["NetworkInterfaces"][1] = Shape.interface(
      "eni-data", "subnet-private", ["10.0.2.20"], groups: ["sg-lost"])
    account.options.allowMissing = true
    let missing = account.read().findings.filter { $0.code == .missing }
    #expect(missing.map(\.id) == ["eni-data", "sg-web"])
    #expect(missing.allSatisfy { $0.severity == .warning })
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, "10.0.2.20", 443), Packet.tcp("10.0.2.20", 1, "10.0.1.10", 443),
      Packet.tcp("198.51.100.1", 1, "10.0.1.10", 443))
    #expect(
      verdicts == ["drop sg.ingress", "drop sg.egress", "forward sg-web/ingress/0 eni-web"])
  }

  @Test func listsWithoutEntriesAreMissing() {
    var account = Account.groups(web: [Shape.permission("tcp", 1...2, from: ["pl-1"])])
    account["PrefixLists"] = [#"{"PrefixListId":"pl-1"}"#]
    let error = account.read().findings.first { $0.severity == .error }
    #expect(error?.code == .missing && error?.reason.contains("-entries") == true)
    account.lists["pl-1"] = []
    #expect(account.read().model != nil)
  }

  @Test func entriesMustBeSomeLists() {
    let text = #"{"Entries":[{"Cidr":"10.0.0.0/8"}]}"#
    #expect(Self.findings(text).first?.contains("name the file after the prefix list") == true)
    for (name, text) in [
      ("my-pl-0a1b.json", text), ("x.json", #"{"PrefixListId":"pl-0a1b","# + text.dropFirst()),
    ] {
      let result = Self.read([(name: name, text: text)])
      #expect(result.model?.prefixLists.map(\.id) == ["pl-0a1b"], "\(result.findings)")
    }
  }

  @Test func missingPagesAreMissing() throws {
    let account = Account.base()
    let items = account["SecurityGroups"]
    let first = #"{"SecurityGroups":[\#(items[0])],"NextToken":"abc"}"#
    let last = #"{"SecurityGroups":[\#(items[1])]}"#
    var texts = account.texts.filter { $0.name != "SecurityGroups.json" }
    texts.append((name: "1.json", text: first))
    let error = try #require(
      Self.read(texts).findings.first { $0.path == "NextToken" && $0.severity == .error })
    #expect(error.code == .missing && error.file == "1.json")
    texts.append((name: "2.json", text: last))
    #expect(Self.read(texts).document == account.read().document)
  }

  /// Changed anywhere, the files give a model that the loader takes, or errors; never both.
  @Test func damageIsRefusedOrHarmless() throws {
    let texts = Account.base().texts
    var random = SplitMix64(seed: 7)
    var refused = 0
    for _ in 0..<600 {
      var damaged = texts
      let file = Int(random.next() % UInt64(texts.count))
      var bytes = Array(texts[file].text.utf8)
      for _ in 0..<(1 + random.next() % 3) {
        let place = Int(random.next() % UInt64(bytes.count))
        switch random.next() % 4 {
        case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(UInt8(ascii: "9"), at: place)
        default: bytes.swapAt(place, Int(random.next() % UInt64(bytes.count)))
        }
      }
      damaged[file].text = String(decoding: bytes, as: UTF8.self)
      let result = Self.read(damaged, missing: true)
      #expect((result.model == nil) == result.hasErrors)
      if result.hasErrors { refused += 1 }
      if let document = result.document {
        _ = try ModelLoader.load(texts: [(name: "m", text: document)])
      }
    }
    #expect(refused > 300)
  }

  // MARK: Many

  /// In a debug build, as tests are: seconds, where it would be minutes if anything were quadratic.
  @Test(.timeLimit(.minutes(1)))
  func thousandsOfGroups() throws {
    var account = Account.base()
    account["SecurityGroups"] += (0..<4000).map { index in
      Shape.group(
        "sg-\(index)", Account.vpc,
        ingress: [
          Shape.permission("tcp", index...index, from: ["sg-\((index + 1) % 4000)"]),
          Shape.permission("udp", index...index, from: ["10.\(index % 256).0.0/16", "pl-none"]),
        ])
    }
    let findings = account.read().findings.filter { $0.severity == .error }
    // One finding, not four thousand.
    #expect(findings.count == 1 && findings[0].reason.contains("3999 other places"))
    account.lists["pl-none"] = ["192.0.2.0/24"]
    #expect(try account.model().securityGroups.count == 4002)
  }
}
