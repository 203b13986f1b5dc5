//! The code of the README and of the book, compiled and run as documentation tests. `cargo xtask tidy` has every chapter here.

macro_rules! pages {
    ($($page:ident = $file:literal,)*) => {
        $(
            #[doc = include_str!($file)]
            struct $page;
        )*
    };
}

pages! {
    Readme = "../../../README.md",
    Introduction = "../../../docs/introduction.md",
    TutorialProject = "../../../docs/tutorial/project.md",
    TutorialEndpoint = "../../../docs/tutorial/endpoint.md",
    TutorialFallback = "../../../docs/tutorial/fallback.md",
    TutorialController = "../../../docs/tutorial/controller.md",
    TutorialUser = "../../../docs/tutorial/user.md",
    TutorialLogin = "../../../docs/tutorial/login.md",
    TutorialService = "../../../docs/tutorial/service.md",
    Endpoints = "../../../docs/endpoints.md",
    SockJs = "../../../docs/sockjs.md",
    Stomp = "../../../docs/stomp.md",
    Handlers = "../../../docs/handlers.md",
    Spring = "../../../docs/spring.md",
    Users = "../../../docs/users.md",
    Security = "../../../docs/security.md",
    Testing = "../../../docs/testing.md",
    Statistics = "../../../docs/statistics.md",
    Destinations = "../../../docs/destinations.md",
    History = "../../../docs/history.md",
    Presence = "../../../docs/presence.md",
    Queues = "../../../docs/queues.md",
    EventSource = "../../../docs/event-source.md",
    Client = "../../../docs/client.md",
    Nginx = "../../../docs/nginx.md",
    Lab = "../../../docs/lab.md",
}

// Its types derive `schemars::JsonSchema`.
#[cfg(feature = "schemars")]
pages! {
    AsyncApi = "../../../docs/asyncapi.md",
}
