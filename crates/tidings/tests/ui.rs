//! What the macros accept, and what they say about mistakes. The compiler's own words are part of the
//! expected output, so a new toolchain means to run this with `TRYBUILD=overwrite` and read the diff.

#[test]
fn server_endpoint() {
    check("server_endpoint");
}

#[test]
fn client_endpoint() {
    check("client_endpoint");
}

#[test]
fn controller() {
    check("controller");
}

#[test]
fn session() {
    trybuild::TestCases::new().compile_fail("tests/ui/session/fail/*.rs");
}

fn check(attribute: &str) {
    let cases = trybuild::TestCases::new();
    cases.pass(format!("tests/ui/{attribute}/pass/*.rs"));
    cases.compile_fail(format!("tests/ui/{attribute}/fail/*.rs"));
}
