-- Makes a virtual host advertise that it may be named (XEP-0485 section 3), and where it publishes.
--
--   VirtualHost "example.org"
--       modules_enabled = { "serverinfo_advert" }
--       serverinfo_pubsub_node = "xmpp:pubsub.example.org?;node=serverinfo"
--
-- Contact addresses (XEP-0157) share the form, of which there must be only one: this module publishes the option
-- contact_info, too, so leave mod_server_contact_info out.

local kinds = { "abuse"; "admin"; "feedback"; "sales"; "security"; "status"; "support" };
local fields = {
	{ name = "FORM_TYPE"; type = "hidden"; value = "http://jabber.org/network/serverinfo" };
	{ name = "serverinfo-pubsub-node"; type = "text-single" };
};
local values = { ["serverinfo-pubsub-node"] = module:get_option_string("serverinfo_pubsub_node") };

local contact_info = module:get_option("contact_info", {});
for _, kind in ipairs(kinds) do
	local addresses = contact_info[kind];
	if addresses then
		table.insert(fields, { name = kind.."-addresses"; type = "list-multi" });
		values[kind.."-addresses"] = type(addresses) == "table" and addresses or { addresses };
	end
end

module:add_feature("urn:xmpp:serverinfo:0");
if next(values) then
	module:add_extension(require "util.dataforms".new(fields):form(values, "result"));
end
