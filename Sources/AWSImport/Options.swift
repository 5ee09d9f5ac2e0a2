import Wire

/// How an import is done.
public struct AWSImportOptions: Sendable {
  /// Goes on where something that changes verdicts is in no file; it then allows nothing.
  public var allowMissing = false
  /// The edge that takes internet traffic, which AWS does not show (RFC 5737, TEST-NET-1).
  public var gatewayHost = IPAddress(v4: 0xC000_02FE)

  public init() {}
}
