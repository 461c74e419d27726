//! The sandbox portal by itself, over real HTTP: every answer is compared with the record.

mod applications;
mod batch;
mod connector;
mod control;
mod crm;
mod definition;
mod desk;
mod entrance;
mod events;
mod faults;
mod forms;
mod https;
mod limits;
mod network;
mod oauth;
mod renames;
mod unknowns;
