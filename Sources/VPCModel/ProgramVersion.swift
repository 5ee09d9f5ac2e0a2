/// The version of all programs of Apus.
public enum ProgramVersion {
  public static let text = "0.1.0"
}
