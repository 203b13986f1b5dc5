use super::*;

fn header(name: &str) -> Option<&'static str> {
    Some(match name {
        "color" => "blue",
        "weight" => "2500",
        "price" => "19.90",
        "flag" => "TRUE",
        "empty" => "",
        "content-type" => "text/plain",
        "JMSType" => "car",
        "quote" => "it's",
        "big" => "9007199254740993",
        _ => return None,
    })
}

#[test]
fn selectors_choose_as_sql_does() {
    let wanted = [
        "color = 'blue'",
        "JMSType = 'car' AND color = 'blue' AND weight > 2500 - 1",
        "COLOR IS NULL AND color IS NOT NULL",
        "color <> 'red'",
        "weight = 2500",
        "weight = '2500'",
        "weight BETWEEN 2500 AND 2500",
        "weight NOT BETWEEN 1 AND 3",
        "price > 19 and price < 20.0",
        "price * 10 = 199",
        "weight / 1000 = 2",
        "weight + 500 - 1000 * 2 = 1000",
        "-weight = -2500",
        "- -weight = 2500",
        "10L < weight AND 1e3 < weight AND .5 < weight",
        "color IN ('red', 'blue')",
        "color NOT IN ('red', 'green')",
        "weight IN ('2500')",
        "color LIKE 'b%'",
        "color NOT LIKE 'r%'",
        "\"content-type\" LIKE 'text/_____'",
        "quote = 'it''s'",
        "empty = ''",
        "flag",
        "flag = TRUE",
        "NOT (flag = FALSE)",
        "missing = 1 OR color = 'blue'",
        "NOT (missing = 1 AND color = 'red')",
        "missing IS NULL",
        "TRUE",
        "big = 9007199254740993",
        "big <> 9007199254740992",
        "((((color = 'blue'))))",
    ];
    for text in wanted {
        assert!(Selector::parse(text).unwrap().matches(9, header), "{text}");
    }
}

#[test]
fn what_is_false_or_unknown_is_not_delivered() {
    let unwanted = [
        "color = 'red'",
        "missing = 1",
        "missing <> 1",
        "NOT (missing = 1)",
        "missing NOT IN ('a')",
        "missing NOT LIKE 'a'",
        "missing BETWEEN 1 AND 2",
        "missing NOT BETWEEN 1 AND 2",
        "color > 5",
        "color < 'red'",
        "color",
        "weight / 0 = 1",
        "color + 1 = 1",
        "FALSE",
        "weight LIKE '2%' AND missing = 1",
        "empty IS NULL",
    ];
    for text in unwanted {
        assert!(!Selector::parse(text).unwrap().matches(9, header), "{text}");
    }
}

#[test]
fn an_error_says_where_and_what() {
    let check = |text: &str, expected: &str| {
        assert_eq!(Selector::parse(text).unwrap_err().to_string(), expected, "{text}");
    };
    check("", "expected a header name, a value or a parenthesis at octet 0, found the end");
    check("a = ", "expected a header name, a value or a parenthesis at octet 4, found the end");
    check("a b", "expected an operator or the end at octet 2, found b");
    check("(a = 1", "expected a closing parenthesis at octet 6, found the end");
    check("a IN (1)", "expected a text in single quotes at octet 6, found 1");
    check("a IS 1", "expected NULL at octet 5, found 1");
    check("a NOT 1", "expected BETWEEN, IN or LIKE at octet 6, found 1");
    check("a = 'b", "what begins at octet 4 has no closing quote");
    check("a ? 1", "expected a name, a value or an operator at octet 2, found ?");
    check("a = 1x", "expected a number at octet 4, found 1x");
    check("a LIKE 'b' ESCAPE 'cd'", "expected one character in quotes at octet 18, found 'cd'");
    let pattern =
        "the pattern at octet 7 ends with its escape character or is longer than 256 octets";
    check("a LIKE 'b!' ESCAPE '!'", pattern);
}

#[test]
fn limits_hold() {
    let long = format!("a = '{}'", "x".repeat(Selector::OCTETS_MAX));
    assert!(matches!(Selector::parse(&long), Err(SelectorError::TooLong { .. })));
    let nested = |depth: usize| format!("{}TRUE{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Selector::parse(&nested(Selector::DEPTH_MAX)).is_ok());
    let too_deep = SelectorError::TooDeep { depth_max: Selector::DEPTH_MAX };
    assert_eq!(Selector::parse(&nested(Selector::DEPTH_MAX + 1)), Err(too_deep.clone()));
    assert_eq!(Selector::parse(&format!("{}a", "NOT ".repeat(100))), Err(too_deep.clone()));
    assert_eq!(Selector::parse(&format!("{}1 = 1", "-".repeat(100))), Err(too_deep));
    let pattern = format!("a LIKE '{}'", "x".repeat(Selector::LIKE_OCTETS_MAX + 1));
    assert!(matches!(Selector::parse(&pattern), Err(SelectorError::InvalidPattern { .. })));
    // Chains are not nested.
    let chain = vec!["a=1"; 500].join(" OR ");
    assert!(!Selector::parse(&chain).unwrap().matches(9, header));
}

#[test]
fn an_evaluation_has_so_many_steps_and_what_takes_more_is_unknown() {
    let text = "a".repeat(16_000);
    let message = Message { headers: 1, header: |name: &str| (name == "a").then_some(&*text) };
    let check = |selector: &str, expected: bool| {
        let steps = Steps::default();
        let selector = Selector::parse(selector).unwrap();
        assert_eq!(selector.matches_within(&message, &steps), expected, "{selector}");
        steps.taken()
    };
    let hopeless = format!("a LIKE '%{}b%'", "a_".repeat(100));
    // Whatever else there is, and whatever the rest would come to.
    for selector in [&*hopeless, &format!("({hopeless}) IS NULL"), &format!("NOT {hopeless}")] {
        let steps = check(selector, false);
        assert!((Selector::STEPS_MAX..Selector::STEPS_MAX + 2_000).contains(&steps), "{steps}");
    }
    let many = vec![format!("a LIKE '%{}b%'", "a".repeat(240)); 15].join(" OR ");
    assert!(check(&many, false) < Selector::STEPS_MAX + 17_000);
    let names = vec!["a"; 800].join(" OR ");
    assert!(check(&names, false) < Selector::STEPS_MAX);
    assert!(check("a LIKE '%aa%' AND a LIKE 'a%'", true) < 1_000);
}

#[test]
fn what_is_compared_and_passed_by_counts() {
    let long = "a".repeat(16_000);
    let other = format!("{}b", &long[1..]);
    let check = |selector: &str, headers: usize| {
        let header = |name: &str| match name {
            "a" => Some(&*long),
            "b" => Some(&*other),
            _ => None,
        };
        let (steps, message) = (Steps::default(), Message { headers, header });
        assert!(!Selector::parse(selector).unwrap().matches_within(&message, &steps), "{selector}");
        steps.taken()
    };
    let spent = Selector::STEPS_MAX..Selector::STEPS_MAX + 17_000;
    for (comparison, headers) in [("a = b", 2), ("a <> a", 2), ("z", 256)] {
        let steps = check(&vec![comparison; 400].join(" OR "), headers);
        assert!(spent.contains(&steps), "{comparison}: {steps}");
    }
    let name = format!("\"{}\"", "z".repeat(800));
    let steps = check(&[&*name; 5].join(" OR "), 256);
    assert!(spent.contains(&steps), "{steps}");
    assert!(check("a = b", 256) < 17_000);
}

#[test]
fn long_text_is_no_number() {
    let digits = "1".repeat(100);
    let selector = Selector::parse("a > 1").unwrap();
    assert!(selector.matches(1, |_| Some(&digits[..64])));
    assert!(!selector.matches(1, |_| Some(&digits[..65])));
}
