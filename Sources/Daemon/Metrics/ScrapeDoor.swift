import Synchronization

/// Keeps scrapers away from ports that are about to close.
final class ScrapeDoor: Sendable {
  private let isOpen = Mutex(true)

  /// The text of the metrics, or none once the door is closed.
  func text(_ render: () -> String) -> String {
    isOpen.withLock { $0 ? render() : "# EOF\n" }
  }

  /// Waits for a scraper that is inside, and lets none in any more.
  func close() { isOpen.withLock { $0 = false } }
}
