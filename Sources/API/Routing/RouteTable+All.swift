extension RouteTable {
    /// Every route, each with who may call it.
    init(services: APIServices, streams: LogStreams = LogStreams(limit: 0)) {
        routes =
            ExecutionRoutes(services: services).routes + LogRoutes(services: services, streams: streams).routes
            + AgentRoutes(services: services).routes + UserRoutes(services: services).routes
            + KeyRoutes(services: services).routes + EntitlementRoutes(services: services).routes
            + AdminRoutes(services: services).routes + WebhookRoutes(services: services).routes
            + HealthRoutes(services: services).routes
            + WebRoutes().routes
    }
}
