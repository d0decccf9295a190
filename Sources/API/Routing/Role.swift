enum Role: String { case user, developer, admin }
