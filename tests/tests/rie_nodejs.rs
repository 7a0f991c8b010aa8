//! The built layer under AWS's emulator, with the Node.js client. Knows which client it is; what must hold is in `clients::contract`.

use picket_tests::clients::{Client, contract};

const CLIENT: Client = Client::NodeJs;

#[test]
fn clean_requests_arrive_byte_for_byte() {
    contract::clean_requests_arrive_byte_for_byte(CLIENT);
}

#[test]
fn an_attack_is_answered_for_the_handler() {
    contract::an_attack_is_answered_for_the_handler(CLIENT);
}

#[test]
fn a_handler_error_comes_through() {
    contract::a_handler_error_comes_through(CLIENT);
}

#[test]
fn a_large_body_comes_through() {
    contract::a_large_body_comes_through(CLIENT);
}

#[test]
fn trap_47_a_killed_agent_comes_back() {
    contract::trap_47_a_killed_agent_comes_back(CLIENT);
}

#[test]
fn a_stranger_on_the_port_leaves_the_function_working() {
    contract::a_stranger_on_the_port_leaves_the_function_working(CLIENT);
}
