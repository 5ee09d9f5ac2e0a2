/// Reads documents into a model and into the facts that are checked when all files are read.
///
/// An object with a wrong field is left out of the model (which is then refused anyway), but what
/// is right in it still becomes facts, so that the rest of it is checked too.
struct ModelReader: DocumentReading {
  var state: DocumentState
  var model = VPCModel()
  var facts = ModelFacts()
  /// A section that the documents may have besides the model's.
  var other: OtherSection?

  init(files: [String]) {
    state = DocumentState(files: files)
  }
}
