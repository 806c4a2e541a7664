require 'sinatra'

set :host_authorization, permitted_hosts: [] if respond_to?(:host_authorization)

get('/') { 'Signal flags' }

post '/flags' do
  text = params['text'].to_s
  halt 422, 'text is missing' if text.empty?
  text.upcase.tr('^A-Z', '').chars.map { |letter| "[#{letter}]" }.join
end
