"use strict";

// The function of the node runtime: it returns its event.
exports.handler = async (event) => event;
