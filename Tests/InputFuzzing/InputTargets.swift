import FuzzSupport

/// The targets of files, and of what guests write beside their frames.
public enum InputTargets {
  public static let all: [FuzzTarget] = [
    .model, .awsImport, .flowLog, .capture, .broker, .offload,
  ]
}
