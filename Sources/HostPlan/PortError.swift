/// Why a port cannot be opened; `apus run` prints it and ends with exit code 3 or 5.
public struct PortError: Error, Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    /// The configuration asks for what cannot be: exit code 3.
    case configuration
    /// The machine lacks a privilege, device, driver or memory: exit code 5.
    case machine
  }

  public var kind: Kind
  /// What could not be done, such as `uplink eth1`.
  public var what: String
  public var why: String
  /// What to do, with the command where there is one.
  public var remedy: String

  public init(_ kind: Kind, _ what: String, why: String, remedy: String) {
    self.kind = kind
    self.what = what
    self.why = why
    self.remedy = remedy
  }
}
