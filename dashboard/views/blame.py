import streamlit as st
st.title('blame')
