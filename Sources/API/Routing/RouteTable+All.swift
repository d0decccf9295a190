extension RouteTable {
    /// Every route, each with who may call it.
    init(services: APIServices) {
        routes =
            ExecutionRoutes(services: services).routes + LogRoutes(services: services).routes
            + AgentRoutes(services: services).routes + UserRoutes(services: services).routes
            + KeyRoutes(services: services).routes + EntitlementRoutes(services: services).routes
            + AdminRoutes(services: services).routes + HealthRoutes(services: services).routes
            + WebRoutes().routes
    }
}
