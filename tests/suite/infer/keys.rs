//! The primary key: searched for, or checked.

use runtime::infer::{Request, infer};

use super::{has, schema};
use crate::workspace::Workspace;

#[test]
fn the_smallest_unique_columns_are_the_key() {
    let yaml = schema(
        "amount,region,no,day\n1.5,eu,1,2026-01-01\n1.5,eu,2,2026-01-01\n2,us,1,2026-01-01\n2.75,us,2,2026-01-01\n",
    );
    has(&yaml, &["primary_key: [region, no]"]);
    let yaml = schema("a,b,c\n1,1,1\n1,1,2\n1,2,1\n1,2,2\n2,1,1\n2,1,2\n2,2,1\n2,2,2\n");
    has(&yaml, &["primary_key: [a, b, c]"]);
}

#[test]
fn a_name_for_a_key_comes_before_the_order_of_the_columns() {
    has(&schema("a,b,order_no\n1,5,7\n2,6,8\n"), &["primary_key: [order_no]"]);
    has(&schema("b,customerId,paid_on\n1,5,2026-01-01\n2,6,2026-01-02\n"), &["primary_key: [customerId]"]);
    has(&schema("b,a\n1,5\n2,6\n"), &["primary_key: [b]"]);
    has(&schema("day,no\n2026-01-01,5\n2026-01-02,6\n"), &["primary_key: [no]"]);
}

#[test]
fn a_key_is_unique_in_every_version() {
    let workspace = Workspace::new();
    workspace.write("t/V1/a.csv", b"x_id,no\n1,1\n2,2\n");
    workspace.write("t/V2/a.csv", b"x_id,no\n1,1\n1,2\n");
    let draft = super::draft(&workspace, &["t"]).unwrap();
    assert_eq!((draft.key, draft.is_key_unique), (vec!["no".to_owned()], true));
}

#[test]
fn values_are_compared_and_not_texts() {
    let yaml = schema("x,y,z\n1.5,1,a\n1.50,2,a\n");
    has(&yaml, &["primary_key: [y]"]);
}

#[test]
fn without_a_unique_key_all_columns_are_a_marked_choice() {
    let yaml = schema("person,amount\nana,12\nleo,31\nleo,31\n");
    has(&yaml, &["primary_key: [person, amount]"]);
    assert!(yaml.contains("# choice: no key was found"), "{yaml}");
}

#[test]
fn empty_texts_can_be_in_a_key() {
    let yaml = schema(
        "campaign,device,clicks,cost\nspring,mobile,10,1.20\nspring,,10,0.30\nsummer,,7,\nsummer,mobile,7,1.20\n",
    );
    has(&yaml, &["primary_key: [campaign, device]"]);
    assert_eq!(super::column(&yaml, "device"), "type: string, nulls: []");
    assert_eq!(super::column(&yaml, "cost"), "type: \"decimal(9,2)\", nullable: true");
}

#[test]
fn a_named_key_is_checked_in_every_row() {
    let workspace = Workspace::new();
    let rows: String = (0..70_000).map(|id| format!("{id},{}\n", id / 2)).collect();
    workspace.write("t.csv", format!("id,half\n{rows}").as_bytes());
    let with_key = |key: &[&str]| {
        let key = key.iter().map(|name| (*name).into()).collect();
        infer(&Request { paths: vec![workspace.path("t.csv")], key, ..Request::default() })
    };
    assert_eq!(with_key(&["half", "id"]).unwrap().key, ["half", "id"]);
    let error = with_key(&["half"]).unwrap_err();
    assert!(error.to_string().contains("the key (half) is not unique: this row has that of"), "{error}");
    assert!(error.subject().contains("t.csv:"), "{error}");
}

#[test]
fn a_named_key_has_no_nulls() {
    let workspace = Workspace::new();
    workspace.write("t.csv", b"id,no\n1,5\n2,NULL\n");
    let error = infer(&Request { paths: vec![workspace.path("t.csv")], key: vec!["no".into()], ..Request::default() });
    assert!(error.unwrap_err().to_string().contains("column `no` has NULLs"));
}
