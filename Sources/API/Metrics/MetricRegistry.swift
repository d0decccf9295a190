public import CoreMetrics
import NIOConcurrencyHelpers

/// The backend of swift-metrics that keeps every metric in memory and writes Prometheus' text format.
///
/// Names follow Prometheus' conventions: dots become underscores, counters end in `_total`, times are histograms in
/// seconds and end in `_seconds`. A metric has at most ``seriesLimit`` sets of labels; what comes beyond them is counted
/// under the value `other`, so that no label can fill the memory.
public final class MetricRegistry: MetricsFactory {
    /// Sets of labels that one metric may have.
    public static let seriesLimit = 1000

    enum Kind: String {
        case counter, gauge, histogram
    }

    struct Labels: Hashable {
        /// Sorted by name.
        let pairs: [Pair]

        struct Pair: Hashable {
            let name: String
            let value: String
        }

        init(_ dimensions: [(String, String)]) {
            pairs = dimensions.map { Pair(name: PrometheusText.labelName($0.0), value: $0.1) }.sorted {
                $0.name < $1.name
            }
        }

        private init(pairs: [Pair]) { self.pairs = pairs }

        /// The same names, with the value that stands for all that have no series of their own.
        var folded: Labels { Labels(pairs: pairs.map { Pair(name: $0.name, value: "other") }) }
    }

    struct Family {
        let kind: Kind
        let help: String
        var series: [Labels: any MetricSeries] = [:]
    }

    /// A series as it is asked for. To find it by its name in Prometheus' spelling costs more than to count.
    private struct Asked: Hashable {
        let label: String
        let suffix: String
        let dimensions: [Labels.Pair]
    }

    private struct State {
        var families: [String: Family] = [:]
        var known: [Asked: any MetricSeries] = [:]
    }

    private let state = NIOLockedValueBox(State())

    public init() {}

    /// All metrics as Prometheus reads them, version 0.0.4 of its text format.
    public func text() -> String {
        var text = PrometheusText()
        for (name, family) in state.withLockedValue({ $0.families }).sorted(by: { $0.key < $1.key }) {
            text.add(name, family)
        }
        return text.description
    }

    private func series<Series: MetricSeries>(
        _ kind: Kind, _ label: String, _ suffix: String, _ dimensions: [(String, String)], make: ([Double]) -> Series
    ) -> Series {
        let asked = Asked(
            label: label, suffix: suffix, dimensions: dimensions.map { Labels.Pair(name: $0.0, value: $0.1) })
        if let series = state.withLockedValue({ $0.known[asked] }) as? Series { return series }
        let name = PrometheusText.metricName(label) + suffix
        let labels = Labels(dimensions)
        let known = MetricCatalogue.byLabel[label]
        return state.withLockedValue { state in
            var family = state.families[name] ?? Family(kind: kind, help: known?.help ?? label)
            let isNew = family.series[labels] == nil && family.series.count >= Self.seriesLimit
            let place = isNew ? labels.folded : labels
            if let series = family.series[place] as? Series {
                if !isNew { state.known[asked] = series }
                return series
            }
            let series = make(known?.buckets ?? MetricBuckets.short)
            // Two kinds under one name: the first is the one that is written.
            guard family.kind == kind else { return series }
            family.series[place] = series
            state.families[name] = family
            if !isNew { state.known[asked] = series }
            return series
        }
    }

    // MARK: MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(.counter, label, "_total", dimensions) { _ in CounterSeries() }
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(.counter, label, "_total", dimensions) { _ in CounterSeries() }
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(.gauge, label, "", dimensions) { _ in GaugeSeries() }
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return series(.gauge, label, "", dimensions) { _ in GaugeSeries() } }
        return series(.histogram, label, "", dimensions) { HistogramSeries(bounds: $0) }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(.histogram, label, "_seconds", dimensions) { HistogramSeries(bounds: $0) }
    }

    // A series stays until the process ends: a counter that fell to nothing would look like a restart.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}
}
